package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/lullcache/lull/internal/resp"
)

// client is one connection that writes. It belongs to one goroutine.
type client interface {
	// do sends a batch and waits for all its answers. refused[i] is why write i was
	// not accepted, nil if it was. After an error nothing is known of the batch.
	do(ctx context.Context, batch []write, refused []error) error
	close() error
}

// answerMax bounds the wait for a batch's answers.
const answerMax = 60 * time.Second

// redisClient speaks the Redis protocol, with as little work for each command as
// possible: the load is on the machine that is measured.
type redisClient struct {
	conn net.Conn
	in   *bufio.Reader
	out  resp.Writer
	// encode writes a write's commands and returns how many replies come; the last one
	// says whether it was accepted.
	encode func(out *resp.Writer, w *write) (replies int)
	counts []int
}

func dialRedis(addr, password string) (*redisClient, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &redisClient{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), encode: plainCommand}
	if password != "" {
		if _, err := c.ask("AUTH", password); err != nil {
			return nil, errors.Join(fmt.Errorf("AUTH: %w", err), conn.Close())
		}
	}
	return c, nil
}

func plainCommand(out *resp.Writer, w *write) int {
	w.table.command(out, w)
	return 1
}

func (c *redisClient) do(_ context.Context, batch []write, refused []error) error {
	c.out.Reset(64 << 10)
	c.counts = c.counts[:0]
	for i := range batch {
		c.counts = append(c.counts, c.encode(&c.out, &batch[i]))
	}
	if err := c.send(); err != nil {
		return err
	}
	for i, n := range c.counts {
		for range n {
			answer, err := readReply(c.in)
			if err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			refused[i] = replyError(answer)
		}
	}
	return nil
}

func (c *redisClient) send() error {
	if err := c.conn.SetDeadline(time.Now().Add(answerMax)); err != nil {
		return err
	}
	_, err := c.conn.Write(c.out.Bytes())
	return err
}

// ask sends one command and returns its reply: a string, int64, nil or []any. An
// error reply is an error.
func (c *redisClient) ask(args ...string) (any, error) {
	all, err := c.askAll([][]string{args})
	if err != nil {
		return nil, err
	}
	return all[0], replyError(all[0])
}

// askAll sends commands as one pipeline. Error replies stand among the replies.
func (c *redisClient) askAll(commands [][]string) ([]any, error) {
	c.out.Reset(64 << 10)
	for _, args := range commands {
		command(&c.out, args...)
	}
	if err := c.send(); err != nil {
		return nil, err
	}
	replies := make([]any, len(commands))
	for i := range replies {
		var err error
		if replies[i], err = readReply(c.in); err != nil {
			return nil, fmt.Errorf("answer to %s: %w", commands[i][0], err)
		}
	}
	return replies, nil
}

func (c *redisClient) close() error { return c.conn.Close() }

// replyError returns an error reply as one, also that of a command inside an EXEC.
func replyError(reply any) error {
	switch r := reply.(type) {
	case error:
		return r
	case []any:
		for _, inner := range r {
			if err := replyError(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// readReply reads a RESP2 reply.
func readReply(in *bufio.Reader) (any, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 {
		return nil, fmt.Errorf("got %q, wanted a reply", line)
	}
	kind, text := line[0], string(line[1:len(line)-2])
	switch kind {
	case '+':
		return text, nil
	case '-':
		return errors.New(text), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("got %q, wanted a reply", line)
	}
	switch {
	case kind == ':':
		return n, nil
	case n < 0:
		return nil, nil
	case kind == '$':
		body := make([]byte, n+2)
		_, err := io.ReadFull(in, body)
		return string(body[:n]), err
	case kind == '*':
		return readArray(in, n)
	}
	return nil, fmt.Errorf("got a reply of kind %q", kind)
}

func readArray(in *bufio.Reader, n int64) (all []any, err error) {
	for range n {
		item, err := readReply(in)
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, nil
}
