package matrix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/resp"
)

// flood sends n commands over one connection as fast as the server takes them, and
// waits for all answers, each of which has to be one line. It fills servers.
func flood(addr string, n int, command func(out *resp.Writer, i int)) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * loadTimeMax)); err != nil {
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- readLines(bufio.NewReaderSize(conn, 256<<10), n) }()
	var out resp.Writer
	for i := range n {
		if command(&out, i); out.Len() >= 64<<10 || i == n-1 {
			if _, err := conn.Write(out.Bytes()); err != nil {
				return errors.Join(err, conn.Close(), <-answered)
			}
			out.Reset(128 << 10)
		}
	}
	return <-answered
}

// readLines reads n answers of one line.
func readLines(in *bufio.Reader, n int) error {
	for range n {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line[0] == '-' {
			return fmt.Errorf("got the answer %q", line)
		}
	}
	return nil
}

// words writes one command.
func words(out *resp.Writer, all ...string) {
	out.Array(len(all))
	for _, w := range all {
		out.BulkString(w)
	}
}

// randomWord is what redis-benchmark replaces with twelve random digits.
const randomWord = "__rand_int__"

// numbered is a key of sixteen bytes or so, as redis-benchmark makes them.
func numbered(prefix string, i int) string { return fmt.Sprintf("%s%012d", prefix, i) }

// load is what one run of redis-benchmark came to.
type load struct {
	rate     float64 // commands a second
	p50      float64 // ms
	p99      float64
	commands float64
	// busy is the load's own share of one CPU: near 1 the load was the limit, not the
	// server.
	busy float64
}

const clients = 50

// loadTimeMax is after which a load that gets no answers is given up, so that the
// other parts are measured.
const loadTimeMax = 3 * time.Minute

// redisBenchmark runs redis-benchmark, with 50 connections and one thread.
func redisBenchmark(b *run, p *peer, pipeline, keys, n int, command ...string) load {
	b.Helper()
	return redisBenchmarkFrom(b, p, clients, pipeline, keys, n, command...)
}

// redisBenchmarkFrom is redisBenchmark with as many connections as it says.
func redisBenchmarkFrom(b *run, p *peer, connections, pipeline, keys, n int, command ...string) load {
	b.Helper()
	host, port, err := net.SplitHostPort(p.addr)
	b.must(err)
	args := []string{"-h", host, "-p", port, "-c", strconv.Itoa(connections), "-P", strconv.Itoa(pipeline), "-n", strconv.Itoa(n),
		"-r", strconv.Itoa(keys), "--csv"}
	args = append(args, command...)
	program := "redis-benchmark"
	if *loadCPUs != "" {
		program, args = "taskset", append([]string{"-c", *loadCPUs, program}, args...)
	}
	ctx, cancel := context.WithTimeout(b.Context(), loadTimeMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = endWithParent()
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		b.Fatalf("redis-benchmark on %s: %v: %s", p.name, errors.Join(err, ctx.Err()), out)
	}
	l := load{commands: float64(n), busy: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / took.Seconds()}
	b.must(l.parse(string(out)))
	return l
}

// parse reads the last line: "test","rps","avg","min","p50","p95","p99","max".
func (l *load) parse(out string) error {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	fields := strings.Split(lines[len(lines)-1], `","`)
	if len(fields) < 8 {
		return fmt.Errorf("redis-benchmark: got %q, wanted a line of CSV", out)
	}
	fields = fields[len(fields)-8:]
	var errs []error
	for i, to := range map[int]*float64{1: &l.rate, 4: &l.p50, 6: &l.p99} {
		f, err := strconv.ParseFloat(fields[i], 64)
		*to = f
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
