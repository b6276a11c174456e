//go:build !linux

package server

import "errors"

// poller is for Linux alone: elsewhere each connection has a goroutine.
type poller struct{}

func newPoller(*Server) (*poller, error) { return nil, nil }

func (*poller) add(*conn) error { return errors.ErrUnsupported }
func (*poller) forget(int)      {}
func (*poller) wake()           {}
func (*poller) giveUp(*conn)    {}
func (*poller) close()          {}

type worker struct{}

func (*worker) leave(uint64) {}
