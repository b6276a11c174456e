package power

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/proof"
)

// TestFullDiskOfTheProgram fills a real file system of 16 MiB, on which are the log and
// the embedded database. Writers get -BUSY, nothing that was answered is lost, and it goes
// on by itself when there is room again.
func TestFullDiskOfTheProgram(t *testing.T) {
	dir := loopMount(t, 16<<20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	line := proof.NewLine(t, *seed)
	s := serve(t, filepath.Join(dir, "data"), "disk", "flush: {max_delay: 60ms, lull: 10ms}\n")
	t.Cleanup(s.kill)
	if !s.ready() {
		t.Fatal(s.stderr.String())
	}
	c := s.client()
	defer c.Close()
	w := &proof.Writer{Name: "w"}
	pads := map[int][]byte{}
	next := func() error {
		n, pad := w.Next(), make([]byte, 20<<10)
		_, _ = rand.Read(pad) // never fails
		err := unit(t.Context(), c, w, n, pad)
		if err == nil {
			w.Answered(time.Now())
			pads[n] = pad
			return nil
		}
		if !strings.Contains(err.Error(), "BUSY") {
			t.Fatalf("unit %d: %v; wanted -BUSY\n%s", n, err, s.stderr.String())
		}
		w.GoOn(n - 1)
		return err
	}
	for next() == nil {
		if len(pads) > 2000 {
			t.Fatal("the disk never filled up")
		}
	}
	line.Tried(1, "full disks")
	if state, err := read(t.Context(), c, w); err != nil {
		t.Errorf("reading with the disk full: %v", err)
	} else if _, err := w.Judge(line, state, len(pads)); err != nil {
		t.Error(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); next() != nil; {
		if time.Now().After(deadline) {
			t.Fatalf("it does not go on with room on the disk\n%s", s.stderr.String())
		}
	}
	s.kill()
	s = serve(t, filepath.Join(dir, "data"), "disk", "")
	t.Cleanup(s.kill)
	if !s.ready() {
		t.Fatal(s.stderr.String())
	}
	again := s.client()
	defer again.Close()
	state, err := read(t.Context(), again, w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Judge(line, state, len(pads)); err != nil {
		t.Error(err)
	}
	checkPads(t, again, line, w.Name, pads)
}

// checkPads wants all that units wrote beside their numbers.
func checkPads(t *testing.T, c *redis.Client, line *proof.Line, name string, pads map[int][]byte) {
	t.Helper()
	for n, pad := range pads {
		if got, err := c.Get(t.Context(), name+":pad:"+strconv.Itoa(n)).Bytes(); err != nil || string(got) != string(pad) {
			line.Lost.Add(1)
			t.Errorf("what unit %d wrote: got %d bytes, %v", n, len(got), err)
		}
	}
	line.Tried(len(pads), "units")
}

// loopMount mounts a new ext4 file system of a size.
func loopMount(t *testing.T, size int64) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s\nthis test mounts a loop device: it needs Linux, root and e2fsprogs", args[0], err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return dir
}
