package fsys_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"unsafe"

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

// TestUncacheGivesMemoryBack: of what was synced, and the file still has it.
func TestUncacheGivesMemoryBack(t *testing.T) {
	const size = 1 << 20
	name := filepath.Join(t.TempDir(), "file")
	f, err := fsys.OS{}.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Allocate(size); err != nil {
		t.Fatal(err)
	}
	mem, err := f.Map()
	if err != nil {
		t.Fatal(err)
	}
	for i := range mem {
		mem[i] = byte(i >> 12)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := cached(t, name); n != size {
		t.Fatalf("%d bytes are in memory, wanted all %d", n, size)
	}
	f.Uncache()
	var fs unix.Statfs_t
	if err := unix.Statfs(name, &fs); err != nil {
		t.Fatal(err)
	}
	if n := cached(t, name); n != 0 && fs.Type != unix.TMPFS_MAGIC { // tmpfs has no other place
		t.Errorf("%d bytes are still in memory", n)
	}
	got := make([]byte, size)
	if _, err := f.ReadAt(got, 0); err != nil || got[size-1] != byte((size-1)>>12) {
		t.Errorf("the last byte is %d, %v", got[size-1], err)
	}
}

// cached is how many bytes of a file are in memory.
func cached(t *testing.T, name string) (n int) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	there := make([]byte, len(mem)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), uintptr(unsafe.Pointer(&there[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, b := range there {
		n += int(b&1) * os.Getpagesize()
	}
	return n
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
