// Package latch locks what is held for less than a microsecond by many at once.
//
// Who finds a sync.Mutex locked looks at it again for about a microsecond, and then gives its
// goroutine up: the scheduler looks for other work, puts the thread to sleep, and has it woken
// again, which takes ten times as long as what it waits for. Mostly that is over by then. Where it
// is not, the system has taken the processor from the thread that holds the lock, and gives it back
// sooner if who waits leaves its own.
package latch

import "sync"

const (
	looks  = 200 // of about two nanoseconds each, before the processor is left
	leaves = 20  // before the goroutine is given up
)

// Lock locks mu.
func Lock(mu *sync.Mutex) {
	if !mu.TryLock() {
		wait(mu)
	}
}

func wait(mu *sync.Mutex) {
	for range leaves {
		for range looks {
			if mu.TryLock() {
				return
			}
		}
		leaveProcessor()
	}
	mu.Lock()
}
