package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// pipe is a connection without a network: it gives the next batch at each read and
// forgets what is written.
type pipe struct {
	net.Conn // nil: nothing else is called
	batches  [][]byte
	reads    int
	ops      int // commands to give before io.EOF
	pipeline int
}

func (w *pipe) Read(p []byte) (int, error) {
	if w.ops <= 0 {
		return 0, io.EOF
	}
	n := copy(p, w.batches[w.reads%len(w.batches)])
	w.reads++
	w.ops -= w.pipeline
	return n, nil
}

func (w *pipe) Write(p []byte) (int, error) { return len(p), nil }
func (w *pipe) Close() error                { return nil }

// batches makes pipelines of a command, in which % stands for one of keys numbers.
func batches(command string, pipeline, keys int) (all [][]byte) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(command)
	for range keys / pipeline {
		var b []byte
		for range pipeline {
			b = append(strconv.AppendInt(append(b, '*'), int64(len(words)), 10), "\r\n"...)
			for _, w := range words {
				w = strings.Replace(w, "%", strconv.Itoa(1e9+rnd.IntN(keys)), 1)
				b = append(strconv.AppendInt(append(b, '$'), int64(len(w)), 10), "\r\n"...)
				b = append(append(b, w...), "\r\n"...)
			}
		}
		all = append(all, b)
	}
	return all
}

// processorTime is what the process has used, the kernel's work for it included.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchServer(b *testing.B) *Server {
	dir := b.TempDir()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(dir, "lull.db"), sqlsink.Options{})
	if err != nil {
		b.Fatal(err)
	}
	engine, err := lull.Open(ctx, lull.Options{Sink: db, DataDir: filepath.Join(dir, "data"), Ack: lull.AckMemory,
		MaxDirtyRows: 1 << 30, MaxDirtyBytes: 1 << 40, ShutdownTimeout: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	engine.Pause()
	s, err := Listen(Options{DB: engine, Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = s.Shutdown(ctx)
		_ = engine.Close(ctx)
		_ = db.Close()
	})
	return s
}

const benchKeys = 100_000

// BenchmarkCommand is what a command costs without the network: parse, run, log,
// answer. Flushing is paused.
func BenchmarkCommand(b *testing.B) {
	val := strings.Repeat("x", 64)
	for _, c := range []struct{ name, fill, command string }{
		{"set", "SET key:% " + val, "SET key:% " + val},
		{"get", "SET key:% " + val, "GET key:%"},
		{"incr", "INCR n:%", "INCR n:%"},
		{"hset", "HSET h:% field " + val, "HSET h:% field " + val},
		{"hget", "HSET h:% field " + val, "HGET h:% field"},
		{"hincrby", "HINCRBY h:% field 1", "HINCRBY h:% field 1"},
		{"zincrby", "ZINCRBY board 1 member:%", "ZINCRBY board 1 member:%"},
		{"sadd", "SADD set:% member:%", "SADD set:% member:%"},
		{"rpush", "RPUSH list:% " + val, "RPUSH list:% " + val},
		{"xadd", "XADD s:% MAXLEN ~ 100 * field " + val, "XADD s:% MAXLEN ~ 100 * field " + val},
	} {
		for _, pipeline := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/pipeline=%d", c.name, pipeline), func(b *testing.B) {
				s := benchServer(b)
				run := func(command string, pipeline, ops int) {
					newConn(s, &pipe{batches: batches(command, pipeline, benchKeys), ops: ops, pipeline: pipeline}).serve()
				}
				run(c.fill, 50, 2*benchKeys)
				w := &pipe{batches: batches(c.command, pipeline, benchKeys), ops: b.N, pipeline: pipeline}
				b.ReportAllocs()
				b.ResetTimer()
				before := processorTime()
				newConn(s, w).serve()
				b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
