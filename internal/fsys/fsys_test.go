package fsys_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// lockDir tells a re-executed test binary to hold a lock until its input ends.
const lockDir = "LULL_FSYS_TEST_LOCK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(lockDir); dir != "" {
		if _, err := (fsys.OS{}).Lock(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		bufio.NewReader(os.Stdin).ReadString('\n')
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// conform checks what both file systems must do.
func conform(t *testing.T, f fsys.FS, root string) {
	dir := filepath.Join(root, "deep", "log")
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if _, err := f.ReadDir(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("read a missing directory: %v", err)
	}
	check("mkdir", f.MkdirAll(dir))
	check("mkdir again", f.MkdirAll(dir))
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if _, err := f.Open(a); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open a missing file: %v", err)
	}
	file, err := f.Create(a)
	check("create", err)
	if _, err := f.Create(a); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("create an existing file: %v", err)
	}
	check("allocate", file.Allocate(8192))
	if size, err := file.Size(); size != 8192 || err != nil {
		t.Fatalf("size: %d, %v", size, err)
	}
	_, err = file.WriteAt([]byte("hello"), 4090)
	check("write", err)
	if mem, err := file.Map(); err == nil {
		copy(mem[4095:], "o, map")
	} else if !errors.Is(err, fsys.ErrNoMap) {
		t.Fatalf("map: %v", err)
	} else if _, err := file.WriteAt([]byte("o, map"), 4095); err != nil {
		t.Fatal(err)
	}
	check("sync", file.Sync())
	buf := make([]byte, 12)
	_, err = file.ReadAt(buf, 4089)
	check("read", err)
	if string(buf) != "\x00helloo, map" {
		t.Fatalf("read %q", buf)
	}
	if n, err := file.ReadAt(buf, 8190); n != 2 || err == nil {
		t.Fatalf("read over the end: %d, %v", n, err)
	}
	check("close", file.Close())
	check("rename", f.Rename(a, b))
	check("sync directory", f.SyncDir(dir))
	names, err := f.ReadDir(dir)
	if err != nil || !slices.Equal(names, []string{"b"}) {
		t.Fatalf("names %v, %v", names, err)
	}
	check("remove", f.Remove(b))
	if err := f.Remove(b); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("remove a missing file: %v", err)
	}
	lock, err := f.Lock(dir)
	check("lock", err)
	if _, err := f.Lock(dir); !errors.Is(err, fsys.ErrLocked) {
		t.Fatalf("second lock: %v", err)
	}
	check("unlock", lock.Close())
	lock, err = f.Lock(dir)
	check("lock again", err)
	check("unlock again", lock.Close())
}

func TestConformance(t *testing.T) {
	t.Run("os", func(t *testing.T) { conform(t, fsys.OS{}, t.TempDir()) })
	t.Run("faultfs", func(t *testing.T) { conform(t, faultfs.New(1), "root") })
	t.Run("faultfs with maps", func(t *testing.T) {
		f := faultfs.New(1)
		f.Maps = true
		conform(t, f, "root")
	})
}

func TestLockNamesItsHolderAndDiesWithIt(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockDir+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("child: %q, %v", line, err)
	}
	_, err = fsys.OS{}.Lock(dir)
	var locked *fsys.LockedError
	if !errors.As(err, &locked) || locked.PID != cmd.Process.Pid || !strings.Contains(err.Error(), fmt.Sprint(cmd.Process.Pid)) {
		t.Fatalf("got %v, want the holder %d", err, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	lock, err := fsys.OS{}.Lock(dir)
	if err != nil {
		t.Fatalf("after its holder was killed: %v", err)
	}
	lock.Close()
}

func TestOpenOfWhatMayOnlyBeRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("data"), 0o400); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.OS{}.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 4)
	if _, err := f.ReadAt(buf, 0); err != nil || !bytes.Equal(buf, []byte("data")) {
		t.Fatalf("%q, %v", buf, err)
	}
}
