package command

import (
	"bytes"
	"slices"
	"strconv"
)

// Load says how much of a key a command needs to have in memory before it can
// run. It is what a command needs at most: SET needs nothing, though with GET or
// NX it does. It guides what is loaded ahead; the command itself decides.
type Load uint8

// The loads, weakest first.
const (
	None   Load = iota // writes without looking
	Hint               // as Exists, if the database can tell
	Exists             // whether the key exists, its type and its expiry
	Full               // the whole value
)

func (l Load) String() string { return [...]string{"none", "hint", "exists", "full"}[l] }

// Access says what a command does with a key, as the key specifications of
// COMMAND INFO show it.
type Access uint16

// RW to RM say what happens to the value, Access to Delete to the user's data in
// it, Variable that options change it.
const (
	RW Access = 1 << iota
	RO
	OW
	RM
	Reads
	Update
	Insert
	Delete
	Variable
)

var accessNames = []string{"RW", "RO", "OW", "RM", "access", "update", "insert", "delete", "variable_flags"}

// Names returns the flags' names as COMMAND INFO shows them.
func (a Access) Names() []string { return bitNames(uint32(a), accessNames) }

// Kind says how keys are found among the arguments.
type Kind uint8

// The kinds.
const (
	Range   Kind = iota // from First to Last by Step
	Counted             // a count at First, then as many keys
	Keyword             // after Word, the first half of the rest
)

// Keys says where keys stand. The name of the command is argument 0; a negative
// Last counts from the end, -1 being the last argument.
type Keys struct {
	Kind              Kind
	First, Last, Step int
	Word              string
	Access            Access
	Load              Load
	// Options are words among the arguments with which the whole value is needed.
	Options []string
}

func at(first int, a Access, l Load) Keys {
	return Keys{First: first, Last: first, Step: 1, Access: a, Load: l}
}

func (k Keys) with(options ...string) Keys {
	k.Options = options
	return k
}

// LoadFor returns how much of its keys the command needs with these arguments.
func (k *Keys) LoadFor(args [][]byte) Load {
	for _, word := range k.Options {
		if slices.ContainsFunc(args[1:], func(arg []byte) bool { return bytes.EqualFold(arg, []byte(word)) }) {
			return Full
		}
	}
	return k.Load
}

func from(first, last, step int, a Access, l Load) Keys {
	return Keys{First: first, Last: last, Step: step, Access: a, Load: l}
}

func counted(first int, a Access, l Load) Keys {
	return Keys{Kind: Counted, First: first, Step: 1, Access: a, Load: l}
}

func after(word string, a Access, l Load) Keys {
	return Keys{Kind: Keyword, Word: word, First: 1, Step: 1, Access: a, Load: l}
}

// Find returns the first and last argument that are keys, and false if args are
// not what the command takes: a count that is no count, say.
func (k *Keys) Find(args [][]byte) (first, last int, ok bool) {
	switch k.Kind {
	case Counted:
		return k.findCounted(args)
	case Keyword:
		return k.findKeyword(args)
	}
	last = k.Last
	if last < 0 {
		last += len(args)
	}
	ok = k.First <= last && last < len(args)
	return k.First, last, ok
}

func (k *Keys) findCounted(args [][]byte) (first, last int, ok bool) {
	if k.First >= len(args) || len(args[k.First]) > 7 { // more than any argument count
		return 0, 0, false
	}
	n, err := strconv.Atoi(string(args[k.First]))
	if err != nil || n < 1 || n > len(args)-1-k.First {
		return 0, 0, false
	}
	return k.First + 1, k.First + n, true
}

func (k *Keys) findKeyword(args [][]byte) (first, last int, ok bool) {
	for i := k.First; i < len(args); i++ {
		if len(args[i]) == len(k.Word) && bytes.EqualFold(args[i], []byte(k.Word)) {
			rest := len(args) - 1 - i
			return i + 1, i + rest/2, rest > 0 && rest%2 == 0
		}
	}
	return 0, 0, false
}

// AppendKeys appends the keys among args to dst, repeated as often as they stand
// there. It is false if args are not what the command takes; what was appended
// until then stays. It does not allocate beyond dst.
func (c *Command) AppendKeys(dst, args [][]byte) ([][]byte, bool) {
	for i := range c.Keys {
		k := &c.Keys[i]
		first, last, ok := k.Find(args)
		if !ok {
			return dst, false
		}
		for j := first; j <= last; j += k.Step {
			dst = append(dst, args[j])
		}
	}
	return dst, true
}

// Positions returns the first, last and step that COMMAND INFO shows for c: zero
// if it has no keys, or none at a fixed place.
func (c *Command) Positions() (first, last, step int) {
	for i := range c.Keys {
		k := &c.Keys[i]
		switch {
		case k.Kind != Range:
		case first == 0:
			first, last, step = k.First, k.Last, k.Step
		case k.First == last+1 && k.Step == step: // COPY, SUNIONSTORE: the keys go on
			last = k.Last
		}
	}
	return first, last, step
}
