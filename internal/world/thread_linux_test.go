package world

import (
	"runtime"
	"testing"
	"time"
)

func TestThreadTimeIsThatOfOneThread(t *testing.T) {
	clock := make(chan func() time.Duration)
	work, worked := make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c := ThreadTime()
		clock <- c
		<-work
		for c() < 30*time.Millisecond {
		}
		worked <- struct{}{}
		<-work
	}()
	c := <-clock
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
	}
	if got := c(); got > 20*time.Millisecond {
		t.Errorf("the thread has waited while another worked: got %v", got)
	}
	work <- struct{}{}
	<-worked
	if got := c(); got < 30*time.Millisecond {
		t.Errorf("the thread has worked for 30 ms: got %v", got)
	}
	close(work)
}
