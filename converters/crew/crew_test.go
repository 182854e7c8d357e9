package crew

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caught is what Wait panics with.
func caught(g *Group) (p *Panic) {
	defer func() { p, _ = recover().(*Panic) }()
	_ = g.Wait()
	return nil
}

func width() { panic("width × height") }

func TestAPanicReachesTheOneThatWaits(t *testing.T) {
	g, ctx := WithContext(t.Context())
	g.Go(func() error { <-ctx.Done(); return context.Cause(ctx) }) // the others are told to end
	g.Go(func() error { width(); return nil })
	p := caught(g)
	if p == nil || p.Error() != "width × height" || !strings.Contains(string(p.Stack), "crew.width") {
		t.Errorf("%+v", p)
	}
}

func TestAPanicIsNotHiddenByAnErrorThatCameFirst(t *testing.T) {
	g, ctx := WithContext(t.Context())
	g.Go(func() error { return errors.New("the store is away") })
	g.Go(func() error { <-ctx.Done(); width(); return nil })
	if p := caught(g); p == nil {
		t.Error("only the error was told")
	}
}

func TestAGroupWithinAGroupTellsWhereThePanicWas(t *testing.T) {
	outer := New()
	outer.Go(func() error {
		inner := New()
		inner.Go(func() error { width(); return nil })
		return inner.Wait()
	})
	if p := caught(outer); p == nil || p.Value != "width × height" || !strings.Contains(string(p.Stack), "crew.width") {
		t.Errorf("%+v", p)
	}
}

func TestWithoutAPanicItIsAnErrgroup(t *testing.T) {
	g := New()
	g.SetLimit(1)
	first := errors.New("first")
	for _, err := range []error{nil, first, errors.New("second")} {
		g.Go(func() error { return err })
	}
	if err := g.Wait(); !errors.Is(err, first) {
		t.Error(err)
	}
}
