// Pageviews: counters that are hit far more often than a database likes to be
// written to. Lull adds in memory; the database gets each page's count once for
// each flush.
//
//	go run ./example/pageviews
package main

import (
	"context"
	"embed"
	"fmt"
	"math/rand/v2"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/example/demo"
)

//go:embed lull.yaml schema.sql schema.postgres.sql
var files embed.FS

const (
	pages   = 1000
	workers = 8
	batches = 50
	hits    = 100 // in each batch
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
	before, err := total(ctx, s) // of other runs over the same database
	if err != nil {
		return err
	}
	if err := demo.Parallel(workers, func(int) error { return visit(ctx, s.Redis) }); err != nil {
		return err
	}
	if err := s.Arrived(ctx); err != nil {
		return err
	}
	if err := s.Equal(ctx, "views", before+workers*batches*hits, "SELECT sum(views) FROM page_views"); err != nil {
		return err
	}
	return compareFirst(ctx, s)
}

func total(ctx context.Context, s *demo.Setup) (views int64, err error) {
	err = s.SQL.QueryRowContext(ctx, "SELECT coalesce(sum(views), 0) FROM page_views").Scan(&views)
	return views, err
}

// visit hits pages; a few of them get most of the hits, as it is with pages.
func visit(ctx context.Context, client *redis.Client) error {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), 1.1, 1, pages-1)
	for range batches {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range hits {
				p.Incr(ctx, fmt.Sprintf("views:/page/%d", zipf.Uint64()))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compareFirst holds the most visited page, as Lull counts it, against SQL.
func compareFirst(ctx context.Context, s *demo.Setup) error {
	views, err := s.Redis.Get(ctx, "views:/page/0").Int64()
	if err != nil {
		return err
	}
	return s.Equal(ctx, "views of /page/0", views, "SELECT views FROM page_views WHERE page = '/page/0'")
}
