package wal

import (
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"time"

	"github.com/lullcache/lull/internal/fsys"
)

// segment is a segment of an open log. Those before the active one have no file
// once they are synced.
type segment struct {
	segmentFile
	file fsys.File
	mem  []byte // the file's mapping; nil if it cannot be mapped
	seed uint32
	off  int64 // of the next frame

	passed   int64 // what is below was written when the last sync began
	unloaded int64 // what is below was unloaded; syncAll's

	headerSynced bool
	trimmedAt    time.Time         // zero: not trimmed
	head         [frameHeader]byte // buffer
}

// rest is the largest frame that fits.
func (s *segment) rest() int64 { return s.size - s.off }

// position is that of the next frame's beginning.
func (s *segment) position() Position { return s.base + Position(s.off) }

// put writes a frame that fits. In a mapping the data come before the header, so
// that a process killed between leaves a frame that is not valid.
func (s *segment) put(k kind, data []byte, sum uint32, buf *[]byte) error {
	size := frameSize(len(data))
	if s.mem != nil {
		if err := s.store(k, data, sum); err != nil {
			return err
		}
		s.off += size
		return nil
	}
	b := append((*buf)[:0], zeros[:frameHeader]...)
	putFrameHeader(b, s.seed, s.off, k, len(data), sum)
	b = append(b, data...)
	b = append(b, zeros[:size-int64(len(b))]...)
	if *buf = b; cap(b) > frameBufMax {
		*buf = nil
	}
	if _, err := s.file.WriteAt(b, s.off); err != nil {
		return fmt.Errorf("write %s at offset %d: %w", s.name, s.off, err)
	}
	s.off += size
	return nil
}

// frameBufMax is the largest buffer that is kept for the next frame.
const frameBufMax = 4 << 20

// store copies a frame into the mapping. A page of the file may have to be read
// back, and the disk may refuse: what would kill the process becomes an error.
func (s *segment) store(k kind, data []byte, sum uint32) (err error) {
	defer s.stored(debug.SetPanicOnFault(true), &err)
	dst := s.mem[s.off : s.off+frameSize(len(data))]
	// Made first and beside dst: reading it for its CRC would wait for all stores before,
	// and those to dst for memory.
	putFrameHeader(s.head[:], s.seed, s.off, k, len(data), sum)
	copy(dst[frameHeader:], data)
	copy(dst, s.head[:])
	return nil
}

// stored ends a store: it makes a memory fault an error, and sets back what faults do.
func (s *segment) stored(panicOnFault bool, err *error) {
	debug.SetPanicOnFault(panicOnFault)
	if r := recover(); r != nil {
		*err = faultError(s.name, s.off, r)
	}
}

// faultError turns a memory fault into an error and panics on with anything else.
func faultError(name string, off int64, r any) error {
	if fault, ok := r.(interface{ Addr() uintptr }); ok {
		return fmt.Errorf("write %s at offset %d: memory fault at %#x", name, off, fault.Addr())
	}
	panic(r)
}

// putHeader begins the segment.
func (s *segment) putHeader() (err error) {
	var b [frameStart]byte
	h := s.header.encode()
	copy(b[:], h)
	copy(b[headerCopyAt:], h)
	s.off = frameStart
	if s.mem == nil {
		if _, err := s.file.WriteAt(b[:], 0); err != nil {
			return fmt.Errorf("write %s at offset 0: %w", s.name, err)
		}
		return nil
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = faultError(s.name, 0, r)
		}
	}()
	copy(s.mem, b[:])
	return nil
}

// putMark writes a mark, if it fits.
func (s *segment) putMark(durable Position, buf *[]byte) (bool, error) {
	if s.rest() < frameSize(markSize) {
		return false, nil
	}
	var b [markSize]byte
	mark{durable: durable, base: s.base}.encode(&b)
	return true, s.put(kindMark, b[:], crc32.Checksum(b[:], castagnoli), buf)
}

// release unmaps and closes the file.
func (s *segment) release() error {
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file, s.mem = nil, nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}
