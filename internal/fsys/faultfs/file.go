package faultfs

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"

	"github.com/lullcache/lull/internal/fsys"
)

type file struct {
	fs     *FS
	node   *inode
	closed bool
}

func (h *file) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	switch {
	case h.closed:
		return 0, fs.ErrClosed
	case h.fs.gone:
		return 0, ErrGone
	case off >= int64(len(h.node.live)):
		return 0, io.EOF
	}
	n := copy(p, h.node.live[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *file) WriteAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return 0, fs.ErrClosed
	}
	if err := h.fs.stepFile("write", h.node); err != nil {
		return 0, err
	}
	n := h.node
	end := off + int64(len(p))
	if err := h.fs.room(end - int64(len(n.live))); err != nil {
		return 0, err
	}
	if grow := end - int64(len(n.live)); grow > 0 {
		n.live = append(n.live, make([]byte, grow)...)
	}
	copy(n.live[off:], p)
	for s := off / sectorSize; s*sectorSize < end; s++ {
		n.dirty[int(s)] = true
	}
	if !h.fs.Still && h.fs.rng.IntN(8) == 0 {
		n.writeBack(h.fs.rng)
	}
	return len(p), nil
}

func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	if h.fs.gone {
		return ErrGone
	}
	err := h.fs.stepFile("sync", h.node)
	if h.fs.gone {
		return err
	}
	if h.fs.Still {
		h.node.sync(err == nil, nil)
	} else {
		h.node.sync(err == nil, h.fs.rng)
	}
	return err
}

func (h *file) Allocate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	if err := h.fs.stepFile("allocate", h.node); err != nil {
		return err
	}
	grow := size - int64(len(h.node.live))
	if err := h.fs.room(grow); err != nil {
		return err
	}
	if grow > 0 {
		h.node.live = append(h.node.live, make([]byte, grow)...)
	}
	return nil
}

func (h *file) Map() ([]byte, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if !h.fs.Maps {
		return nil, fsys.ErrNoMap
	}
	return h.node.live, nil
}

// Unload does nothing: these pages are memory.
func (h *file) Unload(from, to int64) {}

// Uncache does nothing, like Unload.
func (h *file) Uncache() {}

func (h *file) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return int64(len(h.node.live)), nil
}

func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.closed = true
	return nil
}

// sync makes every dirty sector clean, and if ok carries it to the disk; if not, the
// disk got some, if there is chance.
func (n *inode) sync(ok bool, chance *rand.Rand) {
	reaches := func() bool { return ok || chance != nil && chance.IntN(2) == 0 }
	if reaches() {
		n.shorten()
	}
	for s := 0; s*sectorSize < len(n.live); s++ {
		if !n.isDirty(s) {
			continue
		}
		if reaches() {
			n.disk = carry(n.disk, n.live, s)
		}
		n.clean = carry(n.clean, n.live, s)
		delete(n.dirty, s)
	}
	if ok && len(n.disk) < len(n.live) {
		n.disk = append(n.disk, make([]byte, len(n.live)-len(n.disk))...)
	}
}

// writeBack carries one dirty sector to the disk, as the kernel does at any time.
func (n *inode) writeBack(rng *rand.Rand) {
	if len(n.live) == 0 {
		return
	}
	if s := rng.IntN((len(n.live) + sectorSize - 1) / sectorSize); n.isDirty(s) {
		n.disk = carry(n.disk, n.live, s)
		n.clean = carry(n.clean, n.live, s)
		delete(n.dirty, s)
	}
}

func (n *inode) isDirty(s int) bool {
	return n.dirty[s] || !bytes.Equal(sector(n.live, s), sector(n.clean, s))
}

// afterCut returns the file as the next boot finds it.
func (n *inode) afterCut(rng *rand.Rand) *inode {
	if n.shorter && rng.IntN(2) == 0 {
		n.shorten()
	}
	disk := append([]byte{}, n.disk...)
	for s := 0; s*sectorSize < len(n.live); s++ {
		if n.isDirty(s) && rng.IntN(2) == 0 {
			disk = carry(disk, n.live, s)
		}
	}
	clone := func() []byte { return append([]byte{}, disk...) }
	return &inode{live: clone(), clean: clone(), disk: disk, dirty: map[int]bool{}}
}

func (n *inode) clone() *inode {
	return &inode{
		live:  append([]byte{}, n.live...),
		clean: append([]byte{}, n.clean...),
		disk:  append([]byte{}, n.disk...),
		dirty: maps.Clone(n.dirty),
	}
}

// carry copies sector s of from into to, which grows as needed.
func carry(to, from []byte, s int) []byte {
	src := sector(from, s)
	if grow := s*sectorSize + len(src) - len(to); grow > 0 {
		to = append(to, make([]byte, grow)...)
	}
	copy(to[s*sectorSize:], src)
	return to
}

func sector(b []byte, s int) []byte {
	from := min(s*sectorSize, len(b))
	return b[from:min(from+sectorSize, len(b))]
}
