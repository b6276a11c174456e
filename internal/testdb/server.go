package testdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeMax = 90 * time.Second // initdb included, on a machine with other work
	stopTimeMax  = 60 * time.Second
	logTailMax   = 4 << 10
)

// Shutdown says how a server is asked to end.
type Shutdown uint8

// The ways to end.
const (
	// Graceful ends connections and transactions and leaves clean files.
	Graceful Shutdown = iota
	// Immediate is PostgreSQL's "immediate" mode: clients are told, files are left
	// for crash recovery. The others have none: there it is Kill.
	Immediate
)

// Server is a running, or for now stopped, server. Its port and its data stay the
// same until its test ends. The methods fail the test when they cannot do what
// they say; one goroutine at a time may call them.
type Server struct {
	t       testing.TB // nil for shared servers
	engine  *engine
	bin     binaries
	options Options
	dir     string // holds data/ and log
	port    *port
	account *account
	guard   *guard
	proc    *process // nil while stopped
	paused  bool
}

var databases atomic.Int64

// Addr returns the server's host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port.number)) }

// URL returns the URL of the server's first database: "postgres", "mysql", or
// Redis's 0. Tests that create tables want NewDatabase.
func (s *Server) URL() string { return s.engine.url(s, s.engine.firstDatabase) }

// PID returns the process id of the server, 0 while it is stopped.
func (s *Server) PID() int {
	if s.proc == nil {
		return 0
	}
	return s.proc.pid
}

// NewDatabase creates an empty database, which is dropped when the test t ends,
// and returns its URL.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%d", databases.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), startTimeMax)
	defer cancel()
	if err := s.engine.create(ctx, s, name); err != nil {
		t.Fatalf("testdb: create database %s: %v", name, err)
	}
	t.Cleanup(func() {
		if s.proc == nil || s.proc.ended() || s.paused {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeMax)
		defer cancel()
		if err := s.engine.drop(ctx, s, name); err != nil {
			t.Errorf("testdb: drop database %s: %v", name, err)
		}
	})
	return s.engine.url(s, name)
}

// Stop ends the server and waits until it is gone.
func (s *Server) Stop(how Shutdown) {
	s.t.Helper()
	if err := s.stop(how); err != nil {
		s.t.Fatalf("testdb: stop: %v", err)
	}
}

// Kill ends the server and all its processes with SIGKILL.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.kill(); err != nil {
		s.t.Fatalf("testdb: kill: %v", err)
	}
}

// Restart starts the server on its old port and data, after a graceful stop if it
// is running, and waits until it takes connections.
func (s *Server) Restart() {
	s.t.Helper()
	err := s.stop(Graceful)
	if err == nil {
		err = s.start()
	}
	if err != nil {
		s.t.Fatalf("testdb: restart: %v", err)
	}
}

// Pause stops all the server's processes where they are (SIGSTOP). Connections
// stay open and are still accepted by the kernel, but nothing is answered.
func (s *Server) Pause() {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatal("testdb: pause: the server is stopped")
	}
	if err := s.proc.freeze(); err != nil {
		s.t.Fatalf("testdb: pause: %v", err)
	}
	s.paused = true
}

// Continue lets a paused server go on.
func (s *Server) Continue() {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatal("testdb: continue: the server is stopped")
	}
	if err := s.proc.signalAll(syscall.SIGCONT); err != nil {
		s.t.Fatalf("testdb: continue: %v", err)
	}
	s.paused = false
}

// newServer makes the server's folder from the engine's template and starts it.
func newServer(e *engine, o Options) (*Server, error) {
	bin, err := e.find()
	if err != nil {
		return nil, err
	}
	s := &Server{engine: e, bin: bin, options: o, account: accountFor(e.accounts)}
	if s.dir, err = tempDir(s.account); err != nil {
		return nil, err
	}
	if s.guard, err = newGuard(s.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err = s.fill(); err == nil {
		err = s.startOnFreePort()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// fill puts a data directory, and what else the engine wants, into the server's
// folder.
func (s *Server) fill() error {
	if s.engine.prepare != nil {
		if err := s.engine.prepare(s); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	if s.engine.initialise == nil {
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		return s.account.own(data)
	}
	template, err := templateFor(s.engine, s.bin, s.account)
	if err != nil {
		return err
	}
	return copyTree(template, data)
}

// startOnFreePort tries a few ports: another program may take one between the
// look and the server's bind.
func (s *Server) startOnFreePort() error {
	var err error
	for range 3 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.start(); err == nil {
			return nil
		}
		if killErr := s.kill(); killErr != nil {
			return errors.Join(err, killErr)
		}
		s.port.release()
	}
	return err
}

func (s *Server) start() error {
	argv := s.engine.argv(s)
	for _, name := range slices.Sorted(maps.Keys(s.options.Settings)) {
		argv = append(argv, s.engine.setting(name, s.options.Settings[name])...)
	}
	proc, err := s.guard.start(argv, s.dir, s.account)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.engine.name, err)
	}
	s.proc, s.paused = proc, false
	return s.waitReady()
}

func (s *Server) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeMax)
	defer cancel()
	for {
		err := s.engine.ping(ctx, s)
		switch {
		case err == nil && !s.proc.ended():
			return nil
		case s.proc.ended():
			return fmt.Errorf("start %s: it ended at once; its log ends with:\n%s", s.engine.name, logTail(s.dir))
		case ctx.Err() != nil:
			return fmt.Errorf("start %s: no answer in %v: %w; its log ends with:\n%s", s.engine.name, startTimeMax, err, logTail(s.dir))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *Server) stop(how Shutdown) error {
	if s.proc == nil {
		return nil
	}
	sig := s.engine.graceful
	if how == Immediate {
		sig = s.engine.immediate
	}
	if sig == syscall.SIGKILL {
		return s.kill()
	}
	if s.paused {
		if err := s.proc.signalAll(syscall.SIGCONT); err != nil {
			return err
		}
	}
	if err := s.proc.signal(sig); err != nil {
		return err
	}
	if !s.proc.wait(stopTimeMax) {
		return errors.Join(fmt.Errorf("%s did not end in %v after %v", s.engine.name, stopTimeMax, sig), s.kill())
	}
	s.proc = nil
	return s.guard.idle()
}

func (s *Server) kill() error {
	if s.proc == nil {
		return nil
	}
	if err := s.proc.killAll(); err != nil {
		return err
	}
	s.proc = nil
	return s.guard.idle()
}

// close ends the server and removes all that it left.
func (s *Server) close() {
	err := s.stop(Immediate)
	if s.port != nil {
		s.port.release()
	}
	if err == nil && s.engine.clean != nil {
		err = s.engine.clean(s)
	}
	err = errors.Join(err, s.guard.end(), os.RemoveAll(s.dir))
	if err != nil && s.t != nil {
		s.t.Errorf("testdb: clean up: %v", err)
	}
}

func logTail(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-logTailMax):])
}
