package wal

import (
	"fmt"
	"hash/crc32"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/latch"
)

// Append adds a record of up to 1 GiB and returns its end. When it returns, the
// record survives the death of the process, but not yet of the machine: that is
// WaitSynced. Append keeps nothing of rec and allocates nothing.
//
// It waits for I/O only if the segments allocated ahead are used up, which Room
// foretells, or if the record itself is larger than they are; other appends then
// wait with it. Errors: ErrFull, ErrFailed, ErrTooLarge, ErrClosed, ErrNotStarted. After
// an error nothing of the record is in the log, except that after ErrFailed
// it may be found there by the next Open.
func (l *Log) Append(rec []byte) (Position, error) {
	sum := crc32.Checksum(rec, castagnoli)
	size := frameSize(len(rec))
	latch.Lock(&l.mu)
	defer l.mu.Unlock()
	if l.stopped != nil {
		return 0, l.stopped
	}
	if size > l.active.rest() {
		if err := l.appendOver(rec, sum); err != nil {
			return 0, err
		}
	} else if err := l.put(kindRecord, rec, sum); err != nil {
		return 0, err
	}
	pos := l.active.position()
	l.end.Store(uint64(pos))
	l.dirty = true
	l.stats.Records++
	l.stats.RecordBytes += int64(len(rec))
	return pos, nil
}

// put writes one frame, which must fit, to the active segment. l.mu is held.
func (l *Log) put(k kind, data []byte, sum uint32) error {
	if err := l.active.put(k, data, sum, &l.frameBuf); err != nil {
		return l.fail(err)
	}
	return nil
}

// appendOver appends a record that does not fit what is left of the active segment:
// to the next, or, if it is large, in parts over several. l.mu is held, but let go
// while waiting for segments.
func (l *Log) appendOver(rec []byte, sum uint32) error {
	if len(rec) > recordBytesMax {
		return fmt.Errorf("%w: it has %d bytes, the most is %d", ErrTooLarge, len(rec), recordBytesMax)
	}
	if l.o.Preamble != nil {
		l.preamble = l.o.Preamble(l.preamble[:0])
	}
	capacity := l.o.SegmentBytes - frameStart - frameSize(len(l.preamble))
	if capacity < segmentBytesMin/4 {
		return fmt.Errorf("%w: the preamble has %d bytes, a segment %d", ErrTooLarge, len(l.preamble), l.o.SegmentBytes)
	}
	split := frameSize(len(rec)) > capacity/8
	for frameSize(len(rec)) > l.active.rest() {
		rolls := 1
		if split {
			rolls = partsAfter(int64(len(rec)), l.active.rest(), capacity)
		}
		if l.o.MaxBytes > 0 && int64(rolls+1)*l.o.SegmentBytes > l.o.MaxBytes {
			return fmt.Errorf("%w: it has %d bytes, and MaxBytes is %d", ErrTooLarge, len(rec), l.o.MaxBytes)
		}
		if len(l.ready) < rolls {
			if err := l.waitReady(rolls); err != nil {
				return err
			}
			continue // others may have appended meanwhile
		}
		if split {
			return l.putParts(rec)
		}
		if err := l.roll(0); err != nil {
			return err
		}
	}
	return l.put(kindRecord, rec, sum)
}

// partBytesMin is the least rest of a segment that a first part is put in.
const partBytesMin = 64

// partsAfter returns how many further segments n bytes need that begin in rest.
func partsAfter(n, rest, capacity int64) int {
	if rest >= frameHeader+partBytesMin {
		n -= rest - frameHeader
	}
	room := capacity - frameHeader
	return int((n + room - 1) / room)
}

// putParts writes a record over the rest of the active segment and those that are
// ready, of which there are enough.
func (l *Log) putParts(rec []byte) error {
	k, done := kindFirst, 0
	from := len(l.chain)
	for done < len(rec) {
		room := l.active.rest() - frameHeader
		if room < partBytesMin {
			if err := l.roll(done); err != nil {
				return err
			}
			continue
		}
		part := rec[done:min(len(rec), done+int(room))]
		if done+len(part) == len(rec) {
			k = kindLast
			if done == 0 {
				k = kindRecord
			}
		}
		if err := l.put(k, part, crc32.Checksum(part, castagnoli)); err != nil {
			return err
		}
		k, done = kindMiddle, done+len(part)
	}
	for _, s := range l.chain[from:] {
		s.begins = l.active.position()
	}
	return nil
}

// roll goes on to the first segment that is ready, in the middle of a record of
// which carried bytes are written. l.mu is held.
func (l *Log) roll(carried int) error {
	failpoint.Hit(failpoint.BeforeSegment)
	next, old := l.ready[0], l.active
	l.ready = l.ready[1:]
	next.header = header{
		id: l.id, number: next.num, base: old.base + Position(old.size), size: next.size,
		prev: old.num, prevEnd: l.End(), after: l.End(),
		durable: l.durable, carried: uint64(carried), created: l.o.World.Now().UnixNano(),
	}
	if l.o.Preamble != nil {
		next.preamble = crc32.Checksum(l.preamble, castagnoli)
	}
	next.state = headerValid
	if err := next.putHeader(); err != nil {
		return l.fail(err)
	}
	l.marked = l.durable
	l.active = next
	l.chain = append(l.chain, next)
	l.unsynced = append(l.unsynced, next)
	l.updateRoom()
	wake(l.wakeTend)
	failpoint.Hit(failpoint.AfterSegment)
	return l.putPreamble()
}

// putPreamble begins the active segment with what l.preamble holds.
func (l *Log) putPreamble() error {
	if l.o.Preamble == nil {
		return nil
	}
	return l.put(kindPreamble, l.preamble, crc32.Checksum(l.preamble, castagnoli))
}
