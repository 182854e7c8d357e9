package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/login"
)

// Nobody waits behind somebody else's login for a provider that does not answer, and all who
// wait get the one answer.
func TestProviderThatHangsHoldsNobodyUp(t *testing.T) {
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer silent.Close()
	o := &login.OIDC{Issuer: silent.URL, ClientID: "hub"}
	first := make(chan error, 1)
	go func() {
		_, _, err := o.Begin(t.Context(), "/")
		first <- err
	}()
	<-asked
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, _, err := o.Begin(ctx, "/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	select {
	case err := <-first:
		t.Errorf("the second waited for the first: %v", err)
	default:
	}
	close(answer)
	if err := <-first; err == nil {
		t.Error("a provider that is away let somebody in")
	}
	if len(asked) > 0 {
		t.Errorf("%d more questions were asked", len(asked))
	}
}
