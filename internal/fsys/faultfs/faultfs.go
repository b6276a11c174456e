// Package faultfs is a file system in memory for tests, that breaks like a real one.
//
// It keeps three versions of each file: what processes see (the page cache), what
// the kernel believes to be on the disk, and what is there. The three differ by
// sectors of 512 bytes.
//
//   - Sync carries the sectors that are dirty to the disk. When it fails, the kernel
//     takes them for clean all the same, as Linux does: they stay visible and no
//     later Sync writes them, unless they are written anew.
//   - Now and then a dirty sector reaches the disk by itself.
//   - PowerCut gives the file system as the next boot finds it: each dirty sector,
//     and each creation, rename or removal since the last SyncDir, has made it or
//     has not, at the whim of the seed.
//   - Kill gives it as the next process finds it: the page cache is all there.
//
// After PowerCut or Kill the old file system answers every call with ErrGone, so
// that the goroutines of a dead process cannot do harm.
package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"

	"github.com/lullcache/lull/internal/fsys"
)

// ErrGone is the answer to every call after the power was cut.
var ErrGone = errors.New("faultfs: the power is cut")

const sectorSize = 512

// FS is the file system. Set its exported fields before the first call.
type FS struct {
	// Maps lets files be mapped. Stores through a mapping are no operations.
	Maps bool
	// Still lets no sector reach the disk by itself, or by a sync that fails.
	Still bool

	mu       sync.Mutex
	rng      *rand.Rand
	gone     bool
	ops      int
	cutAt    int
	faults   map[int]error
	fault    Fault             // the first that came about
	names    map[string]*inode // as processes see it
	durable  map[string]*inode // as the disk has it
	pending  []dirOp           // since the last SyncDir, in order
	dirs     map[string]bool
	locks    map[string]bool
	capacity int64 // bytes of all files; 0 no limit
	lastID   uint64
}

// Fault is an operation that failed because FailAt said so.
type Fault struct {
	Op   string // "create", "remove", "rename", "mkdir", "syncdir", "write", "sync", "allocate" or "truncate"
	Name string // of the file or directory; that before a rename
}

type inode struct {
	live  []byte // page cache
	clean []byte // what the kernel believes is on the disk
	disk  []byte
	dirty map[int]bool // sectors written since the last Sync, if only by the same bytes

	shorter bool   // it was truncated since the last Sync
	id      uint64 // Info.ID, once asked for
}

// dirOp makes to the name of node, and takes it from from. Either may be empty. A
// tree moves all files below from. A file that is renamed is that one also where the disk
// knows another by its old name, since it has not heard that it was removed.
type dirOp struct {
	dir      string
	from, to string
	node     *inode
	tree     bool
}

// New returns an empty file system.
func New(seed uint64) *FS {
	return &FS{
		rng:     rand.New(rand.NewPCG(seed, 0)),
		faults:  map[int]error{},
		names:   map[string]*inode{},
		durable: map[string]*inode{},
		dirs:    map[string]bool{},
		locks:   map[string]bool{},
	}
}

// Ops returns how many operations were asked for: calls that change something,
// and syncs.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// CutAt lets the power go at operation n, counted from 1: it is not carried out.
func (f *FS) CutAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutAt = n
}

// FailAt makes operation n, counted from 1, fail with err.
func (f *FS) FailAt(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[n] = err
}

// Fault returns the first operation that failed because FailAt said so.
func (f *FS) Fault() (fault Fault, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault, f.fault.Op != ""
}

// SetCapacity limits the bytes of all files together; more is ENOSPC. 0: no limit.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Gone reports whether the power is cut.
func (f *FS) Gone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

// PowerCut ends this file system and returns what the next boot finds.
func (f *FS) PowerCut(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	next := New(seed)
	next.Maps, next.capacity, next.dirs = f.Maps, f.capacity, f.dirs
	for _, op := range f.pending {
		if next.rng.IntN(2) == 0 {
			apply(f.durable, op)
		}
	}
	copies := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(f.durable)) { // what survives is drawn, by a seed
		node := f.durable[name]
		if copies[node] == nil {
			copies[node] = node.afterCut(next.rng)
		}
		next.names[name] = copies[node]
		next.durable[name] = copies[node]
	}
	return next
}

// Kill ends this file system and returns what another process finds.
func (f *FS) Kill(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	next := New(seed)
	next.Maps, next.capacity, next.dirs = f.Maps, f.capacity, f.dirs
	copies := map[*inode]*inode{}
	take := func(to, from map[string]*inode) {
		for name, node := range from {
			if copies[node] == nil {
				copies[node] = node.clone()
			}
			to[name] = copies[node]
		}
	}
	take(next.names, f.names)
	take(next.durable, f.durable)
	for _, op := range f.pending {
		if op.node != nil && copies[op.node] == nil {
			copies[op.node] = op.node.clone()
		}
		op.node = copies[op.node]
		next.pending = append(next.pending, op)
	}
	return next
}

// step counts an operation and says whether it is to fail. f.mu is held.
func (f *FS) step(op, name string) error {
	if f.gone {
		return ErrGone
	}
	f.ops++
	if f.cutAt > 0 && f.ops >= f.cutAt {
		f.gone = true
		return ErrGone
	}
	err := f.faults[f.ops]
	if err != nil && f.fault.Op == "" {
		f.fault = Fault{op, name}
	}
	return err
}

// stepFile is step for an operation on an open file.
func (f *FS) stepFile(op string, node *inode) error {
	name := ""
	for n, other := range f.names {
		if other == node {
			name = n
		}
	}
	return f.step(op, name)
}

func apply(names map[string]*inode, op dirOp) {
	if op.tree {
		moved := map[string]*inode{}
		for name, node := range names {
			if rest, ok := strings.CutPrefix(name, op.from+"/"); ok {
				moved[op.to+"/"+rest] = node
				delete(names, name)
			}
		}
		maps.Copy(names, moved)
		return
	}
	if op.from != "" {
		delete(names, op.from)
	}
	if op.to != "" && op.node != nil {
		names[op.to] = op.node
	}
}

func (f *FS) changeDir(op dirOp) {
	apply(f.names, op)
	f.pending = append(f.pending, op)
}

// Create implements fsys.FS.
func (f *FS) Create(name string) (fsys.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step("create", name); err != nil {
		return nil, err
	}
	if f.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	node := &inode{dirty: map[int]bool{}}
	f.changeDir(dirOp{dir: filepath.Dir(name), to: name, node: node})
	return &file{fs: f, node: node}, nil
}

// Open implements fsys.FS.
func (f *FS) Open(name string) (fsys.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return nil, ErrGone
	}
	node := f.names[name]
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{fs: f, node: node}, nil
}

// Remove implements fsys.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step("remove", name); err != nil {
		return err
	}
	if f.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	f.changeDir(dirOp{dir: filepath.Dir(name), from: name})
	return nil
}

// Rename implements fsys.FS. A directory's own entries are durable when it gets
// another name.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step("rename", from); err != nil {
		return err
	}
	if f.dirs[from] {
		f.syncDir(from)
		f.changeDir(dirOp{dir: filepath.Dir(to), from: from, to: to, tree: true})
		f.dirs[to] = true
		delete(f.dirs, from)
		return nil
	}
	node := f.names[from]
	if node == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	f.changeDir(dirOp{dir: filepath.Dir(to), from: from, to: to, node: node})
	return nil
}

// ReadDir implements fsys.FS.
func (f *FS) ReadDir(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return nil, ErrGone
	}
	var names []string
	for name := range f.names {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	if names == nil && !f.dirs[dir] {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: fs.ErrNotExist}
	}
	sort.Strings(names)
	return names, nil
}

// MkdirAll implements fsys.FS.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs[dir] {
		return nil
	}
	if err := f.step("mkdir", dir); err != nil {
		return err
	}
	f.dirs[dir] = true
	return nil
}

// SyncDir implements fsys.FS.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step("syncdir", dir); err != nil {
		return err
	}
	f.syncDir(dir)
	return nil
}

// syncDir makes a directory's entries durable. f.mu is held.
func (f *FS) syncDir(dir string) {
	var others []dirOp
	for _, op := range f.pending {
		if op.dir == dir {
			apply(f.durable, op)
		} else {
			others = append(others, op)
		}
	}
	f.pending = others
}

// Lock implements fsys.FS within this file system alone.
func (f *FS) Lock(dir string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return nil, ErrGone
	}
	if f.locks[dir] {
		return nil, &fsys.LockedError{Dir: dir}
	}
	f.locks[dir] = true
	return lock{f, dir}, nil
}

type lock struct {
	fs  *FS
	dir string
}

func (l lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.dir)
	return nil
}

// Bytes returns a copy of a file as processes see it, nil if there is none.
func (f *FS) Bytes(name string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.names[name]
	if node == nil {
		return nil
	}
	return append([]byte{}, node.live...)
}

// Put makes a file of these bytes that is on the disk, replacing what had the name.
func (f *FS) Put(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clone := func() []byte { return append([]byte{}, data...) }
	node := &inode{live: clone(), clean: clone(), disk: clone(), dirty: map[int]bool{}}
	f.names[name], f.durable[name] = node, node
	f.dirs[filepath.Dir(name)] = true
}

// room reports ENOSPC if grow more bytes would pass the capacity. f.mu is held.
func (f *FS) room(grow int64) error {
	if f.capacity == 0 || grow <= 0 {
		return nil
	}
	var used int64
	for _, node := range f.names {
		used += int64(len(node.live))
	}
	if used+grow > f.capacity {
		return syscall.ENOSPC
	}
	return nil
}
