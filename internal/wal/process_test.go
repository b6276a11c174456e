package wal

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/proof"
)

// childDir tells a re-executed test binary to be the process that is killed.
const childDir = "LULL_WAL_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	proof.Print(os.Stdout)
	os.Exit(code)
}

const childWriters = 4

// appendForever appends from several goroutines, and says of each record that
// Append has returned.
func appendForever(dir string) error {
	l, err := Open(Options{Dir: dir, SegmentBytes: 64 << 10, SyncEvery: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := l.Start(); err != nil {
		return err
	}
	errs := make(chan error, childWriters)
	for w := range childWriters {
		go func() {
			for i := 0; ; i++ {
				if err := l.WaitRoom(context.Background()); err != nil {
					errs <- err
					return
				}
				pos, err := l.Append(childRecord(w, i))
				if err != nil {
					errs <- err
					return
				}
				// One write(2), so that the parent never sees half a line.
				fmt.Fprintf(os.Stdout, "%d %d %d\n", w, i, pos)
			}
		}()
	}
	return <-errs
}

func childRecord(w, i int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(w))
	b = binary.LittleEndian.AppendUint32(b, uint32(i))
	for len(b) < 8+(i*37+w*11)%700 {
		b = append(b, byte(i))
	}
	return b
}

// TestKilledProcessKeepsWhatItAppended kills a process that appends with SIGKILL,
// several times on one directory, and wants every record whose Append returned.
func TestKilledProcessKeepsWhatItAppended(t *testing.T) {
	dir := t.TempDir()
	var last Position
	for round := range 4 {
		said := runAndKill(t, dir, 1500+700*round)
		l := mustOpen(t, Options{Dir: dir, SegmentBytes: 64 << 10})
		next := [childWriters]uint32{}
		found := map[Position]string{}
		err := l.Replay(last, nil, func(pos Position, data []byte) error {
			w, i := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
			if want := childRecord(int(w), int(i)); string(data) != string(want) || i != next[w] {
				return fmt.Errorf("record %d of writer %d at %d is not what was appended", i, w, pos)
			}
			next[w]++
			found[pos] = fmt.Sprintf("%d %d", w, i)
			last = pos
			return nil
		})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, line := range said {
			var w, i int
			var pos Position
			if _, err := fmt.Sscan(line, &w, &i, &pos); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if found[pos] != fmt.Sprintf("%d %d", w, i) {
				t.Fatalf("round %d: %q was appended and is not there", round, line)
			}
		}
		t.Logf("round %d: %d records were said, %d found", round, len(said), len(found))
		mustClose(t, l)
	}
}

// runAndKill runs the child until it has said lines, kills it, and returns all that
// it said.
func runAndKill(t *testing.T, dir string, lines int) (said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		if said = append(said, scan.Text()); len(said) == lines {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if len(said) < lines {
		t.Fatalf("the child ended after %d lines", len(said))
	}
	return said
}

func TestConcurrentUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "log")
	o := Options{
		Dir: dir, SegmentBytes: 32 << 10, SyncEvery: time.Millisecond,
		RetainBytes: 128 << 10, RetainAge: time.Hour,
	}
	l := mustStart(t, o)
	const writers, each = 8, 400
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := l.WaitRoom(t.Context()); err != nil {
					t.Error(err)
					return
				}
				pos, err := l.Append(childRecord(w, i))
				if err != nil {
					t.Error(err)
					return
				}
				if i%5 == 0 {
					if err := l.WaitSynced(t.Context(), pos); err != nil || l.Synced() < pos {
						t.Errorf("synced %d, want %d: %v", l.Synced(), pos, err)
						return
					}
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			p := l.Synced()
			l.Trim(p / 2)
			last := l.Oldest()
			err := l.Replay(last, nil, func(pos Position, data []byte) error {
				if pos <= last || len(data) < 8 {
					return fmt.Errorf("record of %d bytes at %d after %d", len(data), pos, last)
				}
				last = pos
				return nil
			})
			if err != nil && !strings.Contains(err.Error(), ErrTrimmed.Error()) {
				t.Error(err)
				return
			}
			l.Stats()
			l.Bytes()
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	mustClose(t, l)
	l = mustOpen(t, o)
	got := mustReplay(t, l, l.Oldest())
	if len(got) == 0 || got[len(got)-1].pos != l.End() {
		t.Fatalf("%d records, end %d", len(got), l.End())
	}
	mustClose(t, l)
}

func TestLargeRecord(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 4 << 20}
	l := mustStart(t, o)
	data := make([]byte, 30<<20)
	for i := range data {
		data[i] = byte(i * 7 / 5)
	}
	mustAppend(t, l, []byte("before"))
	r := mustAppend(t, l, data)
	mustAppend(t, l, []byte("after"))
	mustClose(t, l)
	l = mustOpen(t, o)
	got := mustReplay(t, l, 0)
	if len(got) != 3 || got[1] != r {
		t.Fatalf("got %d records", len(got))
	}
}
