// Eventlog: events are appended to streams and end as rows of an append-only table,
// each exactly once.
//
//	go run ./example/eventlog
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/example/demo"
)

//go:embed lull.yaml schema.sql schema.postgres.sql
var files embed.FS

const (
	workers = 8
	batches = 20
	events  = 50 // in each batch
)

var (
	topics  = []string{"signup", "shop", "support"}
	actions = []string{"opened", "clicked", "left"}
)

func main() { demo.Main(run) }

func run(ctx context.Context, o demo.Options) (err error) {
	s, err := demo.Start(ctx, files, o)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	var before int64
	if err := s.SQL.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&before); err != nil {
		return err
	}
	if err := demo.Parallel(workers, func(w int) error { return report(ctx, s.Redis, w) }); err != nil {
		return err
	}
	if err := s.Arrived(ctx); err != nil {
		return err
	}
	if err := s.Equal(ctx, "events", before+workers*batches*events, "SELECT count(*) FROM events"); err != nil {
		return err
	}
	return compareLast(ctx, s)
}

// report appends a worker's events; one worker is one user.
func report(ctx context.Context, client *redis.Client, worker int) error {
	for b := range batches {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for e := range events {
				p.XAdd(ctx, &redis.XAddArgs{
					Stream: "events:" + topics[(worker+b+e)%len(topics)],
					Values: []any{"user_id", worker, "action", actions[e%len(actions)]},
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compareLast holds the tail that Lull keeps in memory against the newest row in SQL.
func compareLast(ctx context.Context, s *demo.Setup) error {
	tail, err := s.Redis.XRevRangeN(ctx, "events:shop", "+", "-", 1).Result()
	if err != nil {
		return err
	}
	if len(tail) != 1 {
		return errors.New("the stream events:shop has no tail in memory")
	}
	var user, action string
	const query = "SELECT user_id, action FROM events WHERE topic = 'shop' ORDER BY id DESC LIMIT 1"
	if err := s.SQL.QueryRowContext(ctx, query).Scan(&user, &action); err != nil {
		return err
	}
	if last := tail[0].Values; last["user_id"] != user || last["action"] != action {
		return fmt.Errorf("the newest event is %v in Lull and (%s, %s) in SQL", last, user, action)
	}
	return nil
}
