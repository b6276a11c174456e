package testdb

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Keep copies the data of a stopped server, for PutBack.
func (s *Server) Keep() {
	s.t.Helper()
	if s.proc != nil {
		s.t.Fatal("testdb: keep: the server is running")
	}
	kept := filepath.Join(s.dir, "kept")
	if err := errors.Join(os.RemoveAll(kept), copyTree(filepath.Join(s.dir, "data"), kept)); err != nil {
		s.t.Fatalf("testdb: keep: %v", err)
	}
}

// PutBack gives a stopped server the data that it had at Keep: a backup is restored.
func (s *Server) PutBack() {
	s.t.Helper()
	if s.proc != nil {
		s.t.Fatal("testdb: put back: the server is running")
	}
	data := filepath.Join(s.dir, "data")
	if err := errors.Join(os.RemoveAll(data), copyTree(filepath.Join(s.dir, "kept"), data)); err != nil {
		s.t.Fatalf("testdb: put back: %v", err)
	}
}

// Standby starts a PostgreSQL server that follows s, and ends with the test. SQL
// functions pause its replay and promote it.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.standby()
	if err != nil {
		t.Fatalf("testdb: standby: %v", err)
	}
	standby.t = t
	t.Cleanup(standby.close)
	return standby
}

func (s *Server) standby() (*Server, error) {
	standby := &Server{engine: s.engine, bin: s.bin, options: s.options, account: s.account}
	var err error
	if standby.dir, err = tempDir(s.account); err != nil {
		return nil, err
	}
	if standby.guard, err = newGuard(standby.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(standby.dir))
	}
	backup := exec.Command(filepath.Join(filepath.Dir(s.bin.server), "pg_basebackup"), "-h", "127.0.0.1", "-p", fmt.Sprint(s.port.number),
		"-U", userName, "-D", filepath.Join(standby.dir, "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	backup.Dir, backup.Env = standby.dir, serverEnv(standby.dir)
	backup.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential()}
	out, err := backup.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("pg_basebackup: %w: %s", err, out)
	} else {
		err = standby.startOnFreePort()
	}
	if err != nil {
		standby.close()
		return nil, err
	}
	return standby, nil
}
