package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// desk is a hub's database in the hands of the operator.
type desk struct {
	db       *store.DB
	operator string // the id of the user in whose name it is done
}

// asOperator opens the database of a hub that was started before.
func (p place) asOperator(ctx context.Context, do func(desk) error) (err error) {
	if err := p.missing(); err != nil {
		return fmt.Errorf("there is no hub's database in %s: set --data-dir or --database (%w)", p.DataDir, err)
	}
	db, err := hub.OpenDatabase(ctx, p.DataDir, p.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	id, err := login.New(db, time.Now).Ensure(ctx, hub.Operator, login.Operator)
	if err != nil {
		return err
	}
	return do(desk{db, id})
}
