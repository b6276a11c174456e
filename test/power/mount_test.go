package power

import (
	"context"
	"errors"
	iofs "io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// node is a file or directory of a faultfs, shown to other processes through FUSE.
//
// The kernel keeps a page cache above it. A write(2) goes through to here at once; a store
// into a mapping comes when the kernel writes the page back, at the latest before an
// fsync. Both are in faultfs's page cache then, and on its disk after the fsync. What
// the kernel has not written back when the power goes is lost: just as with a real disk.
type node struct {
	fs.Inode
	disk *faultfs.FS
}

// handle is an open file.
type handle struct{ file fsys.File }

const rootDir = "disk" // the root's name in faultfs

func (n *node) path() string { return filepath.Join(rootDir, n.Path(nil)) }

// mount shows a disk at dir. It fails, and says why, where FUSE is not to be had.
func mount(t *testing.T, disk *faultfs.FS, dir string) *fuse.Server {
	t.Helper()
	if err := disk.MkdirAll(rootDir); err != nil {
		t.Fatal(err)
	}
	long := time.Hour
	server, err := fs.Mount(dir, &node{disk: disk}, &fs.Options{
		EntryTimeout: &long, AttrTimeout: &long,
		MountOptions: fuse.MountOptions{DirectMount: true, Name: "lull-power", MaxWrite: 1 << 20},
	})
	if err != nil {
		t.Fatalf("mounting a FUSE file system: %v\nthis test needs Linux with /dev/fuse, and root or fusermount3", err)
	}
	return server
}

func errno(err error) syscall.Errno {
	var no syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		return no
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, iofs.ErrExist):
		return syscall.EEXIST
	}
	return syscall.EIO
}

func (n *node) child(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	info, err := n.disk.Stat(filepath.Join(n.path(), name))
	if err != nil {
		return nil, errno(err)
	}
	attr := fs.StableAttr{Mode: syscall.S_IFREG, Ino: info.ID + 1}
	if info.Dir {
		if known := n.GetChild(name); known != nil {
			attr = known.StableAttr()
		} else {
			attr = fs.StableAttr{Mode: syscall.S_IFDIR}
		}
	}
	fill(&out.Attr, info)
	return n.NewInode(ctx, &node{disk: n.disk}, attr), 0
}

func fill(a *fuse.Attr, info faultfs.Info) {
	a.Mode, a.Size, a.Blocks = 0o600, uint64(info.Size), uint64(info.Size+511)/512
	if info.Dir {
		a.Mode = 0o700
	}
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.child(ctx, name, out)
}

func (n *node) Getattr(_ context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if h, ok := f.(*handle); ok {
		size, err := h.file.Size()
		fill(&out.Attr, faultfs.Info{Size: size})
		return errno(err)
	}
	info, err := n.disk.Stat(n.path())
	fill(&out.Attr, info)
	return errno(err)
}

func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		h, ok := f.(*handle)
		if !ok {
			file, err := n.disk.Open(n.path())
			if err != nil {
				return errno(err)
			}
			h = &handle{file}
		}
		if err := h.file.(interface{ Truncate(int64) error }).Truncate(int64(size)); err != nil {
			return errno(err)
		}
	}
	return n.Getattr(ctx, f, out)
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	file, err := n.disk.Open(n.path())
	return &handle{file}, fuse.FOPEN_KEEP_CACHE, errno(err)
}

func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	file, err := n.disk.Create(filepath.Join(n.path(), name))
	if err != nil {
		return nil, nil, 0, errno(err)
	}
	inode, no := n.child(ctx, name, out)
	return inode, &handle{file}, fuse.FOPEN_KEEP_CACHE, no
}

func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := n.disk.MkdirAll(filepath.Join(n.path(), name)); err != nil {
		return nil, errno(err)
	}
	return n.child(ctx, name, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return errno(n.disk.Remove(filepath.Join(n.path(), name)))
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	return errno(n.disk.Rename(filepath.Join(n.path(), name), filepath.Join(to.(*node).path(), newName)))
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	names, err := n.disk.ReadDir(n.path())
	var all []fuse.DirEntry
	for _, name := range names {
		all = append(all, fuse.DirEntry{Name: name, Mode: syscall.S_IFREG})
	}
	for _, dir := range n.disk.Dirs() {
		if filepath.Dir(dir) == n.path() {
			all = append(all, fuse.DirEntry{Name: filepath.Base(dir), Mode: syscall.S_IFDIR})
		}
	}
	return fs.NewListDirStream(all), errno(err)
}

func (n *node) Fsync(_ context.Context, f fs.FileHandle, _ uint32) syscall.Errno {
	if h, ok := f.(*handle); ok {
		return errno(h.file.Sync())
	}
	return errno(n.disk.SyncDir(n.path()))
}

func (n *node) Read(_ context.Context, f fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got, err := f.(*handle).file.ReadAt(dest, off)
	if errors.Is(err, faultfs.ErrGone) {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(dest[:got]), 0
}

func (n *node) Write(_ context.Context, f fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	wrote, err := f.(*handle).file.WriteAt(data, off)
	return uint32(wrote), errno(err)
}

func (n *node) Allocate(_ context.Context, f fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.EOPNOTSUPP
	}
	return errno(f.(*handle).file.Allocate(int64(off + size)))
}
