package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
)

// replyError is an error in the words of the protocol: a code and a text.
type replyError struct{ code, text string }

func (e *replyError) Error() string { return e.code + " " + e.text }

func newError(code, text string) *replyError { return &replyError{code, text} }

func errorf(format string, args ...any) *replyError {
	return &replyError{"ERR", fmt.Sprintf(format, args...)}
}

// The errors that handlers answer with. The texts are those of Redis 7.0.
var (
	errSyntax       = newError("ERR", "syntax error")
	errNotInteger   = newError("ERR", "value is not an integer or out of range")
	errNotFloat     = newError("ERR", "value is not a valid float")
	errNotPositive  = newError("ERR", "value is out of range, must be positive")
	errOutOfRange   = newError("ERR", "value is out of range")
	errNoSuchKey    = newError("ERR", "no such key")
	errTimeoutValue = newError("ERR", "timeout is not an integer or out of range")
	errTimeoutSign  = newError("ERR", "timeout is negative")
	errNotInt       = newError("ERR", "value is out of range, value must between -2147483648 and 2147483647")
	errDBIndex      = newError("ERR", "DB index is out of range")

	errLoading      = newError("LOADING", "Lull is loading the log into memory")
	errNoAuth       = newError("NOAUTH", "Authentication required.")
	errNoPassword   = newError("ERR", "AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	errWrongPass    = newError("WRONGPASS", "invalid username-password pair or user is disabled.")
	errHelloNoAuth  = newError("NOAUTH", "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	errNoProto      = newError("NOPROTO", "unsupported protocol version")
	errProtoVersion = newError("ERR", "Protocol version is not an integer or out of range")
	errClientName   = newError("ERR", "Client names cannot contain spaces, newlines or special characters.")
	errClientID     = newError("ERR", "Invalid client ID")
	errNoSuchClient = newError("ERR", "No such client")

	errMultiNested    = newError("ERR", "MULTI calls can not be nested")
	errWatchInMulti   = newError("ERR", "WATCH inside MULTI is not allowed")
	errExecNoMulti    = newError("ERR", "EXEC without MULTI")
	errDiscardNoMulti = newError("ERR", "DISCARD without MULTI")
	errNoMulti        = newError("ERR", "Command not allowed inside a transaction")
	errMultiTooLong   = newError("ERR", "the commands queued since MULTI are longer than the query buffer limit")
	errExecAbort      = newError("EXECABORT", "Transaction discarded because of previous errors.")

	errPaused      = newError("ERR", "flushing is paused: send LULL RESUME first")
	errLetterID    = newError("ERR", "the number of a dead letter is a positive integer: see LULL DEADLETTERS LIST")
	errLetterWhich = newError("ERR", "say which dead letters to drop: their numbers, or ALL")

	errGetKeysCommand = newError("ERR", "Invalid command specified")
	errGetKeysNone    = newError("ERR", "The command has no key arguments")
	errGetKeysArgs    = newError("ERR", "Invalid arguments specified for command")
	errGetKeysArity   = newError("ERR", "Invalid number of arguments specified for command")
)

// errPrefetch ends a unit whose key is missing, so that it is loaded together with
// those of the batch.
var errPrefetch = errors.New("load the batch's keys first")

// engineCodes are the first words of the engine's errors; all others are "ERR".
// The first that matches counts.
var engineCodes = []struct {
	err  error
	code string
}{
	{lull.ErrWrongType, "WRONGTYPE"},
	{lull.ErrNoDB, "NODB"},
	{lull.ErrBusy, "BUSY"},
	{lull.ErrReadOnly, "MISCONF"},
	{lull.ErrFenced, "MISCONF"},
	{lull.ErrStopped, "MISCONF"},
	{lull.ErrTimeout, "TIMEOUT"},
	{lull.ErrRefused, "REFUSED"},
	{lull.ErrClosed, "LOADING"},
}

// wire says an error in the words of the protocol. A client cannot tell an answer
// that was never given from one that was lost, so a wait that the shutdown ended is a
// TIMEOUT: the outcome is pending.
func wire(err error) (code, text string) {
	var own *replyError
	if errors.As(err, &own) {
		return own.code, own.text
	}
	if errors.Is(err, context.Canceled) {
		return "TIMEOUT", "the server is shutting down and the outcome is pending"
	}
	code, text = "ERR", err.Error()
	for _, e := range engineCodes {
		if errors.Is(err, e.err) {
			code = e.code
			break
		}
	}
	for _, e := range capitals {
		if errors.Is(err, e) {
			text = strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return code, text
}

// capitals are the engine's errors that Redis begins with a capital.
var capitals = []error{lull.ErrWrongType, lull.ErrNotStrings, lull.ErrLCSMemory}

// shownMax is how much of a client's own words an error repeats.
const shownMax = 128

func unknownCommand(args [][]byte) error {
	var shown strings.Builder
	for _, a := range args[1:] {
		if shown.Len() >= shownMax {
			break
		}
		fmt.Fprintf(&shown, "'%s' ", clip(a, shownMax-shown.Len()))
	}
	return errorf("unknown command '%s', with args beginning with: %s", clip(args[0], shownMax), shown.String())
}

func unknownSubcommand(parent *command.Command, name []byte) error {
	return errorf("unknown subcommand '%s'. Try %s HELP.", clip(name, shownMax), strings.ToUpper(parent.Name))
}

func wrongArity(cmd *command.Command) error {
	return errorf("wrong number of arguments for '%s' command", cmd.FullName())
}

// cString is what C's printf shows of b.
func cString(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

// clip is what C's printf shows of n bytes of b.
func clip(b []byte, n int) []byte {
	b = cString(b)
	return b[:min(len(b), n)]
}
