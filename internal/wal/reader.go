package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/lullcache/lull/internal/fsys"
)

// readChunk is how much a reader asks of the file at once.
const readChunk = 256 << 10

// frameReader reads the frames of one segment in order.
type frameReader struct {
	file fsys.File
	name string
	seed uint32
	size int64 // of the file; nothing is read beyond

	off   int64  // of the next frame
	buf   []byte // the bytes from bufAt on
	bufAt int64
	why   string // why the last next found no frame
}

func newFrameReader(file fsys.File, name string, seed uint32, size int64) *frameReader {
	return &frameReader{file: file, name: name, seed: seed, size: size, off: frameStart}
}

// next returns the frame at r.off and goes on behind it. ok is false if there is no
// whole, right frame; r.why says what is there instead. The error is the file's:
// what cannot be read is never taken for an end.
func (r *frameReader) next() (f frame, ok bool, err error) {
	if r.size-r.off < frameHeader {
		r.why = "the segment is full"
		return f, false, nil
	}
	head, err := r.bytes(r.off, frameHeader)
	if err != nil {
		return f, false, err
	}
	n, ok := r.check(head)
	if !ok {
		return f, false, nil
	}
	k := kind(binary.LittleEndian.Uint32(head[8:]))
	dataSum := binary.LittleEndian.Uint32(head[12:])
	end := r.off + frameSize(int(n))
	body, err := r.bytes(r.off+frameHeader, int(end-r.off-frameHeader))
	if err != nil {
		return f, false, err
	}
	if crc32.Checksum(body[:n], castagnoli) != dataSum {
		r.why = fmt.Sprintf("the %d bytes of this %s do not have their CRC", n, k)
		return f, false, nil
	}
	if !blank(body[n:]) {
		r.why = fmt.Sprintf("the padding of this %s is not zero", k)
		return f, false, nil
	}
	f = frame{kind: k, off: r.off, next: end, data: body[:n:n]}
	r.off = end
	return f, true, nil
}

// check looks at a frame's header alone and returns the length of its data.
func (r *frameReader) check(head []byte) (n uint32, ok bool) {
	if blank(head) {
		r.why = "nothing is written here"
		return 0, false
	}
	if binary.LittleEndian.Uint32(head) != frameSum(head, r.seed, r.off) {
		r.why = "the frame header does not have its CRC"
		return 0, false
	}
	n = binary.LittleEndian.Uint32(head[4:])
	if k := kind(binary.LittleEndian.Uint32(head[8:])); !k.known() {
		r.why = k.String()
		return 0, false
	}
	if frameSize(int(n)) > r.size-r.off {
		r.why = fmt.Sprintf("a frame of %d bytes does not fit the segment", n)
		return 0, false
	}
	return n, true
}

// bytes returns n bytes from off on, valid until the next call.
func (r *frameReader) bytes(off int64, n int) ([]byte, error) {
	if off < r.bufAt || off+int64(n) > r.bufAt+int64(len(r.buf)) {
		if err := r.fill(off, n); err != nil {
			return nil, err
		}
	}
	return r.buf[off-r.bufAt:][:n], nil
}

func (r *frameReader) fill(off int64, n int) error {
	want := int(min(int64(max(n, readChunk)), r.size-off))
	if cap(r.buf) < want {
		r.buf = make([]byte, want)
	}
	r.buf, r.bufAt = r.buf[:want], off
	got, err := r.file.ReadAt(r.buf, off)
	r.buf = r.buf[:got]
	if got >= n {
		return nil // a later call meets the error, if it matters
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %s at offset %d: %w", r.name, off, err)
}

// resync looks from r.off on for the next frame that has its CRC. It reports false
// at the end of the segment.
func (r *frameReader) resync(only kind) (f frame, ok bool, err error) {
	for r.size-r.off >= frameHeader {
		head, err := r.bytes(r.off, frameHeader)
		if err != nil {
			return f, false, err
		}
		k := kind(binary.LittleEndian.Uint32(head[8:]))
		if k == only || only == 0 && k.known() {
			if f, ok, err = r.next(); ok || err != nil {
				return f, ok, err
			}
		}
		r.off += frameAlign
	}
	return f, false, nil
}

// assembly puts the parts of a record together again.
type assembly struct {
	parts []byte
	open  bool
	holed bool // something was lost here: a part without its beginning is no surprise
	// gapped: the first frame of a segment was lost. Parts stand there behind the
	// preamble and nothing else, so if a part comes next, no part was lost.
	gapped bool
}

// add takes a frame and returns the record that it completes, if any. why is not
// empty if the frame cannot follow those before it.
func (a *assembly) add(f frame) (rec []byte, whole bool, why string) {
	switch f.kind {
	case kindRecord, kindFirst:
		if a.open && a.gapped {
			a.hole()
		}
		if a.open {
			return nil, false, "a record begins before the last part of the one before"
		}
		a.holed = false
		if f.kind == kindRecord {
			return f.data, true, ""
		}
		a.parts, a.open = append(a.parts[:0], f.data...), true
	case kindMiddle, kindLast:
		if !a.open {
			if a.holed {
				return nil, false, ""
			}
			return nil, false, fmt.Sprintf("a %s of a record without its first", f.kind)
		}
		if len(a.parts)+len(f.data) > recordBytesMax {
			return nil, false, "a record larger than any that is written"
		}
		a.parts, a.gapped = append(a.parts, f.data...), false
		if f.kind == kindLast {
			a.open = false
			return a.parts, true, ""
		}
	case kindLost:
		if a.gapped = a.open && f.off == frameStart; !a.gapped {
			a.hole()
		}
	}
	return nil, false, ""
}

// hole lets go of the record whose next part was lost.
func (a *assembly) hole() { a.parts, a.open, a.holed, a.gapped = a.parts[:0], false, true, false }

// carried returns how many bytes of an unfinished record are held.
func (a *assembly) carried() uint64 {
	if !a.open {
		return 0
	}
	return uint64(len(a.parts))
}
