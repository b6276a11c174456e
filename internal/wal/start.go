package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"github.com/lullcache/lull/internal/fsys"
)

// read finds the log that is there.
func (l *Log) read() error {
	s, err := look(l.fs, l.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = &survey{fs: l.fs, dir: l.o.Dir}, nil
	}
	if err != nil {
		return err
	}
	if l.tail, err = s.findEnd(); err != nil {
		return err
	}
	l.id = s.id
	if !s.known {
		if l.id, err = newLogID(l.o.ID); err != nil {
			return err
		}
	}
	s.above = 1
	for _, f := range s.files {
		l.bytes += f.fileSize
		s.above = max(s.above, f.num+1)
	}
	l.seen, l.nextNumber = s, s.above
	for _, f := range s.chain {
		l.chain = append(l.chain, &segment{segmentFile: *f, headerSynced: true})
	}
	l.end.Store(uint64(l.tail.last))
	if l.tail.tailBytes > 0 {
		l.o.OnEvent(Event{
			Kind: EventTailCut, File: s.chain[l.tail.seg].name,
			Offset: l.tail.off, Bytes: l.tail.tailBytes,
		})
	}
	return nil
}

// Start makes durable what Open found and opens a new segment for appending, behind
// a tail that was cut too: an old segment is never appended to. Without
// space on the disk for one segment it is ErrFull, and may be tried again.
func (l *Log) Start() error {
	if l.seen == nil {
		panic("wal: Start after Start")
	}
	if err := l.fs.MkdirAll(l.o.Dir); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := l.settle(); err != nil {
		return fmt.Errorf("log: make the old end durable: %w", err)
	}
	if err := l.sweep(); err != nil {
		return fmt.Errorf("log: clean up: %w", err)
	}
	for len(l.ready) < 2 {
		s, err := l.allocate(nil)
		if err != nil && len(l.ready) > 0 && !errors.Is(err, errNames) {
			break // tendLoop tries again
		}
		if isNoSpace(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		l.bytes += s.size
		l.ready = append(l.ready, s)
	}
	if err := l.begin(); err != nil {
		return fmt.Errorf("log: begin a segment: %w", err)
	}
	if err := l.removeLast(); err != nil {
		return fmt.Errorf("log: clean up: %w", err)
	}
	l.mu.Lock()
	l.seen, l.stopped = nil, nil
	l.updateRoom()
	l.mu.Unlock()
	l.running = []<-chan struct{}{l.o.World.Go(l.syncLoop), l.o.World.Go(l.tendLoop)}
	return nil
}

// settle writes again, byte for byte, what no mark says is durable, and syncs it. A
// sync alone is not enough: if that of an earlier process failed, the kernel may
// show pages that are not on the disk and hold them for clean.
func (l *Log) settle() error {
	for i, s := range l.chain {
		from, to := int64(0), s.fileSize
		if i == len(l.chain)-1 {
			to = l.tail.off
		}
		if l.tail.durable > s.base {
			from = int64(l.tail.durable-s.base) &^ 511
		}
		if from >= to {
			continue
		}
		file, err := l.fs.Open(s.name)
		if err != nil {
			return err
		}
		err = rewrite(file, from, to)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func rewrite(file fsys.File, from, to int64) error {
	buf := make([]byte, min(readChunk, to-from))
	for off := from; off < to; {
		b := buf[:min(int64(len(buf)), to-off)]
		if n, err := file.ReadAt(b, off); n < len(b) {
			return err
		}
		if _, err := file.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return file.Sync()
}

// sweep removes what is not of the log: a tail's later segments, what a trim or an
// allocation left. Segments that were allocated and never used become ready. That with the
// highest number stays for now: it tells how far positions may have been given out.
func (l *Log) sweep() error {
	inChain := map[uint64]bool{}
	used := uint64(0)
	blanks := map[uint64]bool{}
	for _, f := range l.seen.chain {
		inChain[f.num] = true
		used = max(used, f.num)
	}
	for _, f := range l.seen.files {
		ok, err := l.isBlank(f)
		if err != nil {
			return err
		}
		if blanks[f.num] = ok; !ok {
			used = max(used, f.num)
		}
	}
	for _, name := range l.seen.temps {
		if err := l.fs.Remove(name); err != nil {
			return err
		}
	}
	for _, f := range l.seen.files {
		if inChain[f.num] {
			continue
		}
		if blanks[f.num] && f.num > used && len(l.ready) < segmentsLeast {
			s, err := l.adopt(f)
			if err != nil {
				return err
			}
			l.ready = append(l.ready, s)
			continue
		}
		if f.num+1 == l.seen.above && len(l.chain) > 0 {
			l.seen.last = f
			continue
		}
		if err := l.fs.Remove(f.name); err != nil {
			return err
		}
		l.bytes -= f.fileSize
	}
	l.seen.files, l.seen.temps = l.seen.chain, nil
	return l.fs.SyncDir(l.o.Dir)
}

// removeLast removes what sweep has left, now that the log goes on beyond it.
func (l *Log) removeLast() error {
	f := l.seen.last
	if f == nil {
		return nil
	}
	if err := l.fs.Remove(f.name); err != nil {
		return err
	}
	l.seen.last = nil
	l.bytes -= f.fileSize
	return l.fs.SyncDir(l.o.Dir)
}

// isBlank reports whether f is a segment of the right size full of zeros.
func (l *Log) isBlank(f *segmentFile) (bool, error) {
	if f.state != headerBlank || f.fileSize != l.o.SegmentBytes {
		return false, nil
	}
	file, err := l.fs.Open(f.name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	end, err := lastByte(file, 0, f.fileSize)
	return err == nil && end == 0, err
}

// adopt opens a blank segment for appending.
func (l *Log) adopt(f *segmentFile) (*segment, error) {
	file, err := l.fs.Open(f.name)
	if err != nil {
		return nil, err
	}
	return l.newSegment(f.num, file)
}

// begin makes the first ready segment the active one, durably.
func (l *Log) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.ready[0]
	s.header, s.state = l.firstHeader(s), headerValid
	var p []byte
	if l.o.Preamble != nil {
		p = l.o.Preamble(nil)
		s.preamble = crc32.Checksum(p, castagnoli)
	}
	if err := s.putHeader(); err != nil {
		return err
	}
	if len(l.chain) == 0 { // nothing else would tell a header that the power took from one that was damaged
		if err := s.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", s.name, err)
		}
	}
	if l.o.Preamble != nil {
		if frameSize(len(p)) > s.rest()/2 {
			return fmt.Errorf("%w: the preamble has %d bytes, a segment %d", ErrTooLarge, len(p), s.size)
		}
		if err := s.put(kindPreamble, p, crc32.Checksum(p, castagnoli), &l.frameBuf); err != nil {
			return err
		}
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	s.headerSynced = true
	l.ready = l.ready[1:]
	l.active = s
	l.chain = append(l.chain, s)
	l.unsynced = append(l.unsynced, s)
	l.marked, l.durable = s.durable, s.position()
	l.synced.Store(l.end.Load())
	return nil
}

// firstHeader is that of this process's first segment.
func (l *Log) firstHeader(s *segment) header {
	h := header{id: l.id, number: s.num, size: s.size, created: l.o.World.Now().UnixNano()}
	h.after, h.base = l.End(), l.End()
	if n := len(l.chain); n > 0 {
		last := l.chain[n-1]
		h.prev, h.prevEnd = last.num, l.tail.last
		// Beyond all that the segments behind the last may have given out, also those whose
		// pages were all lost, so that they look as if they had never been used.
		h.base = max(h.base, last.base+Position(l.seen.above-last.num)*Position(max(last.size, s.size)))
	}
	h.durable = h.base
	return h
}
