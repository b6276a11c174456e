package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/lullcache/lull/internal/fsys"
)

// patch is a change to a file that has not been made.
type patch struct {
	off  int64
	data []byte
}

// patchedFS shows files as if the patches were made: Verify says from it what Repair
// would do.
type patchedFS struct {
	fsys.FS
	patches map[string][]patch
}

// Open implements fsys.FS.
func (p *patchedFS) Open(name string) (fsys.File, error) {
	file, err := p.FS.Open(name)
	if err != nil || len(p.patches[name]) == 0 {
		return file, err
	}
	return &patchedFile{File: file, patches: p.patches[name]}, nil
}

func (p *patchedFS) add(name string, off int64, data []byte) {
	p.patches[name] = append(p.patches[name], patch{off, data})
}

type patchedFile struct {
	fsys.File
	patches []patch
}

// Size is that of the file, or to the end of the last patch behind it.
func (p *patchedFile) Size() (int64, error) {
	size, err := p.File.Size()
	for _, c := range p.patches {
		size = max(size, c.off+int64(len(c.data)))
	}
	return size, err
}

// ReadAt reads the file with the patches over it, zeros between.
func (p *patchedFile) ReadAt(b []byte, off int64) (int, error) {
	size, err := p.Size()
	if err != nil {
		return 0, err
	}
	n, err := p.File.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	want := int(min(int64(len(b)), max(0, size-off)))
	clear(b[n:max(n, want)])
	for _, c := range p.patches {
		if at := c.off - off; at < int64(want) && at+int64(len(c.data)) > 0 {
			copy(b[max(0, at):want], c.data[max(0, -at):])
		}
	}
	if want < len(b) {
		return want, io.EOF
	}
	return want, nil
}

// apply makes the patches of one file, after a copy of it is aside. The file is
// replaced in one step.
func (p *patchedFS) apply(dir, name string) error {
	if err := copyFile(p.FS, p.FS, name, aside(p.FS, name)); err != nil {
		return fmt.Errorf("keep a copy of the damaged %s: %w", name, err)
	}
	temp := name + tempSuffix
	p.FS.Remove(temp)
	if err := copyFile(p, p.FS, name, temp); err != nil {
		return fmt.Errorf("write the repaired %s: %w", name, err)
	}
	if err := p.FS.SyncDir(dir); err != nil {
		return err
	}
	if err := p.FS.Rename(temp, name); err != nil {
		return err
	}
	return p.FS.SyncDir(dir)
}

// aside returns a name for the damaged file that is not taken.
func aside(fs fsys.FS, name string) string {
	to := name + ".damaged"
	for i := 2; ; i++ {
		file, err := fs.Open(to)
		if err != nil {
			return to // if it is another error than that it is not there, Create says so
		}
		file.Close()
		to = fmt.Sprintf("%s.damaged%d", name, i)
	}
}

// copyFile copies a file from one file system to another, durably but for its name.
func copyFile(from, to fsys.FS, name, newName string) error {
	src, err := from.Open(name)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := to.Create(newName)
	if err != nil {
		return err
	}
	defer dst.Close()
	size, err := src.Size()
	if err != nil {
		return err
	}
	buf := make([]byte, readChunk)
	for off := int64(0); off < size; {
		n, err := src.ReadAt(buf, off)
		if n == 0 {
			return err
		}
		if _, err := dst.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return dst.Sync()
}
