package world

import (
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime returns a clock that tells the CPU time of the calling thread, to which the
// caller has locked its goroutine. Others may ask it too, as long as the thread lives. It
// is nil where there is none.
func ThreadTime() func() time.Duration {
	const ofThread, scheduled = 4, 2 // see CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED in Linux
	id := int32(^unix.Gettid()<<3 | ofThread | scheduled)
	read := func() time.Duration {
		var t unix.Timespec
		if unix.ClockGettime(id, &t) != nil {
			return 0
		}
		return time.Duration(t.Nano())
	}
	began := read()
	return func() time.Duration { return max(0, read()-began) }
}
