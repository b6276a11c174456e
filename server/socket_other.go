//go:build !linux

package server

import (
	"errors"
	"net"
)

func (*socket) adopt(*net.TCPConn) error { return errors.ErrUnsupported }

func (*socket) patient() (net.Conn, error) { return nil, errors.ErrUnsupported }

func isAgain(error) bool                   { return false }
func readDirect(int, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func writeDirect(int, []byte) (int, error) { return 0, errors.ErrUnsupported }
func shutDirect(int)                       {}
func closeDirect(int)                      {}
