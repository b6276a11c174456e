package keyspace

// scanCountMax keeps counts that clients send from overflowing; no dict has as many.
const scanCountMax = 1 << 40

// scan is Table.Scan. The cursor is the first point of the hash's range that was
// not yet seen, in units of 1<<(64-CursorBits).
func (d *dict[T]) scan(cursor uint64, count int, fn func(T)) uint64 {
	if d.n == 0 {
		return 0
	}
	count = min(max(count, 1), scanCountMax)
	point := cursor << (64 - CursorBits)
	budget := 10 * count // places looked at; a sparse dict must not keep us long
	for seen := 0; seen < count && budget > 0; {
		s := d.segment(point)
		from := s.home(point)
		to := min(from+count-seen, len(s.items))
		seen += s.scanHomes(from, to, fn)
		budget -= to - from
		if point = s.point(point, to); point == 0 {
			return 0
		}
	}
	return point >> (64 - CursorBits)
}

// scanHomes calls fn for the items whose homes are in [from, to) and returns how
// many they were. Such items may lie behind to, up to the end of the run.
func (s *segment[T]) scanHomes(from, to int, fn func(T)) (seen int) {
	for i := from; ; i++ {
		at := s.wrap(i)
		if s.tags[at] == 0 {
			if i >= to {
				return seen
			}
			continue
		}
		it := s.items[at]
		home := i - s.after(s.home(it.hash()), at)
		if from <= home && home < to {
			fn(it)
			seen++
		}
	}
}

// random is Table.Random. Segments are chosen equally often by accepting a directory
// index only if it is the segment's first, and places by drawing them from as many as
// the largest segment has.
func (d *dict[T]) random(r uint64) T {
	var none T
	for d.n > 0 {
		r = mix(r)
		at := int(r>>32) & (len(d.dir) - 1)
		s := d.dir[at]
		if at&(1<<(d.depth-s.depth)-1) != 0 {
			continue
		}
		places := len(s.items)
		if d.depth > 0 {
			places = max(places, 2*segmentMax)
		}
		i := int(uint64(uint32(r)) * uint64(places) >> 32)
		if i < len(s.items) && s.tags[i] != 0 {
			return s.items[i]
		}
	}
	return none
}

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014).
func mix(r uint64) uint64 {
	r += 0x9e3779b97f4a7c15
	r = (r ^ r>>30) * 0xbf58476d1ce4e5b9
	r = (r ^ r>>27) * 0x94d049bb133111eb
	return r ^ r>>31
}

func (d *dict[T]) all(fn func(T) bool) {
	for at := 0; at < len(d.dir); {
		s := d.dir[at]
		for i, it := range s.items {
			if s.tags[i] != 0 && !fn(it) {
				return
			}
		}
		at += 1 << (d.depth - s.depth)
	}
}
