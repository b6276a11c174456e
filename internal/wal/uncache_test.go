package wal

import (
	"sync"
	"testing"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// uncaching is a file system that knows which of its files were given up by Uncache.
type uncaching struct {
	fsys.FS
	t testing.TB

	mu    sync.Mutex
	files []*uncached
}

type uncached struct {
	fsys.File
	fs               *uncaching
	name             string
	dirty, is, later bool // written since its Sync; given up; written after that
	closed           bool
}

func (u *uncaching) Create(name string) (fsys.File, error) {
	f, err := u.FS.Create(name)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	made := &uncached{File: f, fs: u, name: name}
	u.files = append(u.files, made)
	return made, nil
}

func (f *uncached) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	f.dirty, f.later = true, f.later || f.is
	f.fs.mu.Unlock()
	return f.File.WriteAt(p, off)
}

func (f *uncached) Sync() error {
	f.fs.mu.Lock()
	f.dirty = false
	f.fs.mu.Unlock()
	return f.File.Sync()
}

func (f *uncached) Uncache() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.is || f.dirty || f.closed {
		f.fs.t.Errorf("%s is given up when it was already: %v, with writes that are not synced: %v, closed: %v", f.name, f.is, f.dirty, f.closed)
	}
	f.is = true
}

func (f *uncached) Close() error {
	f.fs.mu.Lock()
	f.closed = true
	f.fs.mu.Unlock()
	return f.File.Close()
}

// given returns how many files were given up so far.
func (u *uncaching) given() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, f := range u.files {
		if f.is {
			n++
		}
		if f.later {
			u.t.Errorf("%s is written to after it was given up", f.name)
		}
	}
	return n
}

// TestSyncedSegmentsLeaveThePageCache: each that is full, once it is on disk, and no other.
func TestSyncedSegmentsLeaveThePageCache(t *testing.T) {
	fs := &uncaching{FS: faultfs.New(1), t: t}
	o := small(nil)
	o.FS = fs
	l := mustStart(t, o)
	for i := range 100 {
		before := fs.given()
		mustAppend(t, l, testRecord(i, segmentBytesMin/7))
		if got := fs.given(); got != before {
			t.Fatalf("%d segments were given up, %d before the record: nothing was synced since", got, before)
		}
		if i%3 == 0 && i < 50 || i%25 == 0 { // so that a sync has no full segment, one, or more
			mustSync(t, l)
			if got, want := fs.given(), l.Stats().Segments-1; got != want {
				t.Fatalf("after record %d: %d segments were given up, %d are full and synced", i, got, want)
			}
		}
	}
	mustClose(t, l)
	if n := fs.given(); n < 10 {
		t.Errorf("only %d segments were given up", n)
	}
}
