//go:build !linux

package wal

func yieldThread() {}
