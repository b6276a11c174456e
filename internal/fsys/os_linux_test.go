package fsys_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lullcache/lull/internal/fsys"
)

// TestLockEndsWithCloseThoughAChildHasItsDescriptor copies the lock's descriptor, as a
// fork does until the child executes its program.
func TestLockEndsWithCloseThoughAChildHasItsDescriptor(t *testing.T) {
	dir := t.TempDir()
	lock, err := fsys.OS{}.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.Dup(descriptor(t, filepath.Join(dir, "LOCK")))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := fsys.OS{}.Lock(dir)
	if err != nil {
		t.Fatalf("lock again: %v", err)
	}
	again.Close()
}

// descriptor is that by which this process has a file open.
func descriptor(t *testing.T, file string) int {
	const open = "/proc/self/fd"
	links, err := os.ReadDir(open)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, _ := os.Readlink(filepath.Join(open, link.Name())); to == file {
			n, err := strconv.Atoi(link.Name())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("nothing has %s open", file)
	return 0
}
