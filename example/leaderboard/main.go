// Leaderboard: players finish games, and each game moves them on a board. The rows
// are in two tables, one of which references the other.
//
//	go run ./example/leaderboard
//	go run ./example/leaderboard --database postgres://user@localhost/game
package main

import (
	"context"
	"embed"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/example/demo"
)

//go:embed lull.yaml schema.sql schema.postgres.sql
var files embed.FS

const (
	players = 200
	workers = 8
	games   = 250 // of each worker
)

var boards = []string{"eu", "us", "asia"}

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
	if err := signUp(ctx, s.Redis); err != nil {
		return err
	}
	points := make([]int64, workers)
	err = demo.Parallel(workers, func(w int) (err error) {
		points[w], err = play(ctx, s.Redis)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.Arrived(ctx); err != nil {
		return err
	}
	return compare(ctx, s, points)
}

// signUp makes the players. A player of another run keeps what he has.
func signUp(ctx context.Context, client *redis.Client) error {
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for id := range players {
			key := "player:" + strconv.Itoa(id)
			p.HSet(ctx, key, "name", fmt.Sprintf("Player %d", id), "games", 0)
		}
		for _, board := range boards {
			p.Del(ctx, "leaderboard:"+board)
		}
		return nil
	})
	return err
}

// play finishes games, each as one atomic unit: the player's count and his points
// change together, in Lull and in SQL.
func play(ctx context.Context, client *redis.Client) (points int64, err error) {
	for range games {
		id := strconv.Itoa(rand.IntN(players))
		won := 1 + rand.Int64N(9)
		_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.HIncrBy(ctx, "player:"+id, "games", 1)
			p.ZIncrBy(ctx, "leaderboard:"+boards[rand.IntN(len(boards))], float64(won), id)
			return nil
		})
		if err != nil {
			return 0, err
		}
		points += won
	}
	return points, nil
}

// compare holds what was written against SQL.
func compare(ctx context.Context, s *demo.Setup, points []int64) error {
	total := int64(0)
	for _, p := range points {
		total += p
	}
	for _, c := range []struct {
		what    string
		counted int64
		query   string
	}{
		{"players", players, "SELECT count(*) FROM players"},
		{"games", workers * games, "SELECT sum(games) FROM players"},
		{"points", total, "SELECT sum(points) FROM scores"},
	} {
		if err := s.Equal(ctx, c.what, c.counted, c.query); err != nil {
			return err
		}
	}
	return compareBest(ctx, s)
}

// compareBest holds the board's best, as Lull ranks them, against SQL.
func compareBest(ctx context.Context, s *demo.Setup) error {
	best, err := s.Redis.ZRevRangeWithScores(ctx, "leaderboard:eu", 0, 9).Result()
	if err != nil {
		return err
	}
	rows, err := s.SQL.QueryContext(ctx, "SELECT points FROM scores WHERE board = 'eu' ORDER BY points DESC LIMIT 10")
	if err != nil {
		return err
	}
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		var points float64
		if err := rows.Scan(&points); err != nil {
			return err
		}
		if i >= len(best) || best[i].Score != points {
			return fmt.Errorf("place %d has %v points in SQL; Lull's best are %v", i+1, points, best)
		}
	}
	return rows.Err()
}
