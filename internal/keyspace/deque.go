package keyspace

import "slices"

// deque is a slice that grows and shrinks cheaply at both ends: places before head
// are free.
type deque[T any] struct {
	all  []T
	head int
}

func (d *deque[T]) items() []T { return d.all[d.head:] }

func (d *deque[T]) pushBack(x T) {
	if len(d.all) == cap(d.all) && d.head > len(d.all)/2 {
		d.drop(0) // use the free places instead of growing
	}
	d.all = append(d.all, x)
}

func (d *deque[T]) pushFront(x T) {
	if len(d.items()) == 0 {
		d.all, d.head = append(d.all[:0], x), 0
		return
	}
	if d.head == 0 {
		room := len(d.all)/2 + 1
		all := make([]T, room+len(d.all))
		copy(all[room:], d.all)
		d.all, d.head = all, room
	}
	d.head--
	d.all[d.head] = x
}

// drop removes the first n items.
func (d *deque[T]) drop(n int) {
	clear(d.all[d.head : d.head+n])
	d.head += n
	if d.head > len(d.all)/2 {
		kept := copy(d.all, d.items())
		clear(d.all[kept:])
		d.all, d.head = d.all[:kept], 0
		if cap(d.all) > 4*kept+4 {
			d.all = slices.Clone(d.all)
		}
	}
}

// insert makes x the item number i.
func (d *deque[T]) insert(i int, x T) {
	if i == 0 {
		d.pushFront(x)
		return
	}
	d.all = slices.Insert(d.all, d.head+i, x)
}

// remove removes the item number i.
func (d *deque[T]) remove(i int) {
	if i == 0 {
		d.drop(1)
		return
	}
	d.all = slices.Delete(d.all, d.head+i, d.head+i+1)
}

// truncate keeps the first n items.
func (d *deque[T]) truncate(n int) {
	clear(d.all[d.head+n:])
	d.all = d.all[:d.head+n]
}
