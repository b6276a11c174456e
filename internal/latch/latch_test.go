package latch

import (
	"sync"
	"testing"
)

// TestOneAtATime: also when it is held for long, so that who waits sleeps.
func TestOneAtATime(t *testing.T) {
	const each = 20_000
	var mu sync.Mutex
	var group sync.WaitGroup
	n := 0
	for range 8 {
		group.Go(func() {
			for range each {
				Lock(&mu)
				n++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if n != 8*each {
		t.Errorf("counted %d, wanted %d", n, 8*each)
	}
	Lock(&mu)
	locked := make(chan struct{})
	go func() {
		Lock(&mu)
		close(locked)
		mu.Unlock()
	}()
	for range 100 {
		leaveProcessor()
		select {
		case <-locked:
			t.Fatal("two have the lock")
		default:
		}
	}
	mu.Unlock()
	<-locked
}

// BenchmarkLock is a short section that all processors want, beside sync.Mutex. With more threads
// than the machine has processors, as in -cpu 8 on two, those who hold it are stopped now and then.
func BenchmarkLock(b *testing.B) {
	for _, way := range []struct {
		name string
		lock func(*sync.Mutex)
	}{{"latch", Lock}, {"mutex", (*sync.Mutex).Lock}} {
		b.Run(way.name, func(b *testing.B) {
			var mu sync.Mutex
			n := 0
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					way.lock(&mu)
					n++
					mu.Unlock()
				}
			})
		})
	}
}
