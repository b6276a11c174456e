package faultfs

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/lullcache/lull/internal/fsys"
)

func create(t *testing.T, f *FS, name string, data []byte) fsys.File {
	t.Helper()
	file, err := f.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

func sectors(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n*sectorSize) }

func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	both := map[bool]int{}
	named := map[bool]int{}
	for seed := range uint64(200) {
		f := New(seed)
		file := create(t, f, "d/a", sectors(2, 1))
		file.Sync()
		f.SyncDir("d")
		file.WriteAt(sectors(2, 2), 0)
		create(t, f, "d/b", nil)
		next := f.PowerCut(seed)
		got := next.Bytes("d/a")
		if len(got) != 2*sectorSize {
			t.Fatalf("seed %d: a synced file has %d bytes", seed, len(got))
		}
		for s := range 2 {
			if b := got[s*sectorSize]; b != 1 && b != 2 || !bytes.Equal(sector(got, s), sectors(1, b)) {
				t.Fatalf("seed %d: sector %d is neither old nor new", seed, s)
			}
		}
		both[got[0] == got[sectorSize]]++
		named[next.Bytes("d/b") != nil]++
		if _, err := file.WriteAt(nil, 0); !errors.Is(err, ErrGone) {
			t.Fatalf("a dead machine answered %v", err)
		}
	}
	if both[false] == 0 || both[true] == 0 || named[false] == 0 || named[true] == 0 {
		t.Fatalf("the seed does not decide: sectors %v, names %v", both, named)
	}
}

func TestFailedSyncLeavesPagesThatLookClean(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		f := New(seed)
		file := create(t, f, "d/a", sectors(1, 1))
		file.Sync()
		f.SyncDir("d")
		file.WriteAt(sectors(1, 2), 0)
		f.FailAt(f.Ops()+1, syscall.EIO)
		if err := file.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			t.Fatalf("the second sync should lie: %v", err)
		}
		f = f.Kill(seed)
		if got := f.Bytes("d/a"); got[0] != 2 {
			t.Fatal("the page cache does not show what was written")
		}
		if f.PowerCut(seed).Bytes("d/a")[0] == 1 {
			lost++
		}
	}
	if lost == 0 {
		t.Fatal("nothing was ever lost")
	}
}

func TestRenameComesBackOrNot(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(50) {
		f := New(seed)
		create(t, f, "d/a", sectors(1, 1)).Sync()
		f.SyncDir("d")
		f.Rename("d/a", "d/b")
		next := f.PowerCut(seed)
		switch a, b := next.Bytes("d/a"), next.Bytes("d/b"); {
		case a != nil && b == nil:
			seen["old"]++
		case a == nil && b != nil:
			seen["new"]++
		default:
			t.Fatalf("seed %d: the file has both names or none", seed)
		}
	}
	if len(seen) != 2 {
		t.Fatalf("seen %v", seen)
	}
}

func TestCapacityAndCut(t *testing.T) {
	f := New(1)
	f.SetCapacity(1000)
	file := create(t, f, "d/a", make([]byte, 900))
	if err := file.Allocate(1001); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, 200), 850); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	f.CutAt(f.Ops() + 2)
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); !errors.Is(err, ErrGone) || !f.Gone() {
		t.Fatal(err)
	}
}

// TestPowerCutsRepeat: what survives in several files is the same for a seed.
func TestPowerCutsRepeat(t *testing.T) {
	cut := func() (all []byte) {
		f := New(1)
		for _, name := range []string{"d/a", "d/b", "d/c", "d/e"} {
			file := create(t, f, name, sectors(4, 1))
			file.Sync()
			file.WriteAt(sectors(4, 2), 0)
		}
		f.SyncDir("d")
		next := f.PowerCut(2)
		for _, name := range []string{"d/a", "d/b", "d/c", "d/e"} {
			all = append(all, next.Bytes(name)...)
		}
		return all
	}
	first := cut()
	for range 20 {
		if !bytes.Equal(cut(), first) {
			t.Fatal("two runs differ")
		}
	}
}

// TestARenameMovesItsOwnFile: whatever of what happened in the directory before the power cut reaches the disk,
// a file that was synced before it was renamed is whole under its new name (seed 10830991 of the simulation).
func TestARenameMovesItsOwnFile(t *testing.T) {
	renamed := 0
	for seed := range uint64(200) {
		f := New(seed)
		create(t, f, "new", []byte("cut off")) // by a process that was killed
		removed := f.Remove("new")
		file := create(t, f, "new", []byte("whole"))
		if err := errors.Join(removed, file.Sync(), f.Rename("new", "name")); err != nil {
			t.Fatal(err)
		}
		after := f.PowerCut(seed)
		if _, err := after.Open("name"); err != nil {
			continue
		}
		renamed++
		if got := string(after.Bytes("name")); got != "whole" {
			t.Errorf("seed %d: %q", seed, got)
		}
	}
	if renamed == 0 {
		t.Error("no rename has reached the disk")
	}
}
