package faultfs

import (
	"io/fs"
	"maps"
	"slices"
)

// Info is what Stat tells.
type Info struct {
	Dir  bool
	Size int64
	ID   uint64 // of the file, whatever its name; 0 for a directory
}

// Stat describes what has a name.
func (f *FS) Stat(name string) (Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return Info{}, ErrGone
	}
	if f.dirs[name] {
		return Info{Dir: true}, nil
	}
	node := f.names[name]
	if node == nil {
		return Info{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	if node.id == 0 {
		f.lastID++
		node.id = f.lastID
	}
	return Info{Size: int64(len(node.live)), ID: node.id}, nil
}

// Dirs returns all directories.
func (f *FS) Dirs() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.dirs {
		all = append(all, name)
	}
	return all
}

// Truncate cuts a file off, or lengthens it by zeros. That it is shorter is on the disk
// after Sync, and before or after a cut at the whim of the seed.
func (h *file) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.stepFile("truncate", h.node); err != nil {
		return err
	}
	n := h.node
	if grow := size - int64(len(n.live)); grow > 0 {
		if err := h.fs.room(grow); err != nil {
			return err
		}
		n.live = append(n.live, make([]byte, grow)...)
		return nil
	}
	n.live = n.live[:size:size]
	n.shorter = true
	for s := range n.dirty {
		if int64(s)*sectorSize >= size {
			delete(n.dirty, s)
		}
	}
	return nil
}

// shorten carries a truncation to the disk.
func (n *inode) shorten() {
	if n.shorter {
		n.disk = n.disk[:min(len(n.disk), len(n.live))]
		n.clean = n.clean[:min(len(n.clean), len(n.live))]
		n.shorter = false
	}
}

// Copy returns a file system with a copy of everything, all of it durable.
func (f *FS) Copy(seed uint64) *FS {
	next := New(seed)
	f.mu.Lock()
	next.Maps, next.dirs = f.Maps, maps.Clone(f.dirs)
	names := slices.Sorted(maps.Keys(f.names))
	f.mu.Unlock()
	for _, name := range names {
		next.Put(name, f.Bytes(name))
	}
	return next
}
