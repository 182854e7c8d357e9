// Package store is the hub's database: SQLite in a file by default, PostgreSQL
// where its address is given, one SQL text for both. Every room of the hub may
// use it; none of them knows which engine it speaks to.
//
// It promises that a transaction is there whole or not at all after a kill or a
// power loss, and that two hubs on one PostgreSQL do not migrate at once. It
// leaves the meaning of the tables to the rooms that write them.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// maxConnections bounds what one hub asks of PostgreSQL.
const maxConnections = 16

// DB is the database. Reads go to it directly; whatever writes goes through Tx.
type DB struct {
	*sql.DB
	// ForUpdate ends a SELECT of rows that are taken from a queue.
	ForUpdate string
	// writer lets one transaction at a time into SQLite: those that wait here are
	// served in order, those that wait in SQLite poll. Nil with PostgreSQL.
	writer chan struct{}
}

// Open opens the database of an address, postgres://… or the path of a file, and
// brings its tables up to date.
func Open(ctx context.Context, address string) (*DB, error) {
	db, dialect, options, err := dial(address)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, db.DB, dialect, options...); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the hub's database: %w", err), db.Close())
	}
	return db, nil
}

// Postgres says whether an address is PostgreSQL's.
func Postgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

func dial(address string) (*DB, goose.Dialect, []goose.ProviderOption, error) {
	if Postgres(address) {
		db, err := sql.Open("pgx", address)
		if err != nil {
			return nil, "", nil, fmt.Errorf("reading the database's address: %w", err)
		}
		db.SetMaxOpenConns(maxConnections)
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, "", nil, err
		}
		return &DB{DB: db, ForUpdate: "FOR UPDATE SKIP LOCKED"}, goose.DialectPostgres, []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
	}
	path, err := filepath.Abs(address)
	if err != nil {
		return nil, "", nil, err
	}
	// FULL: a commit that was answered is on the disk. IMMEDIATE: a transaction that will write locks at its begin.
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, "", nil, err
	}
	db.SetMaxOpenConns(maxConnections)
	return &DB{DB: db, writer: make(chan struct{}, 1)}, goose.DialectSQLite3, nil, nil
}

func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, options ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// Tx runs fn in one transaction, and commits it unless fn fails.
func (db *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	if db.writer != nil {
		select {
		case db.writer <- struct{}{}:
			defer func() { <-db.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// Duplicate says whether err is a row that a unique index refused.
func Duplicate(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505" // unique_violation
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// ID makes a new identifier; later ones sort behind earlier ones.
func ID() string { return uuid.Must(uuid.NewV7()).String() }

// Millis is a time as the tables keep it.
func Millis(t time.Time) int64 { return t.UnixMilli() }
