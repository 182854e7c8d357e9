package trace

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

func tracingWith(client func(string) (*http.Client, error), pairs ...string) *Tracing {
	return &Tracing{
		Options: Options{TraceID: w3c, Started: time.Now(), Getenv: env(pairs...), Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		Client:  client, Tracker: job.NewTracker(job.TrackerOptions{Now: time.Now}),
	}
}

func TestAJobsPhasesAndItsEndReachTheCollector(t *testing.T) {
	c := newCollector(t)
	var asked string
	tracing := tracingWith(func(caFile string) (*http.Client, error) {
		asked = caFile
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, nil
	}, "OTEL_EXPORTER_OTLP_ENDPOINT", c.server.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem")
	if err := tracing.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	tracing.Tracker.Enter(job.PhaseRunning)
	tracing.End(contract.Result{ExitCode: contract.ExitFailed, Error: contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory.")}, job.PhaseRunning)()
	if err := tracing.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	spans := c.spans()
	for _, name := range []string{"job", job.PhaseStarting, job.PhaseRunning} {
		if spans[name] == nil {
			t.Errorf("no span of %s", name)
		}
	}
	if got := spans[job.PhaseRunning].GetStatus().GetMessage(); !strings.HasPrefix(got, string(contract.CodeCUDAOOM)) {
		t.Errorf("the failed phase says %q", got)
	}
	if asked != "/ca.pem" {
		t.Errorf("the authorities of the collector are in %q", asked)
	}
}

func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	tracing := tracingWith(func(string) (*http.Client, error) { t.Error("a client was made"); return nil, nil })
	if err := tracing.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	tracing.End(contract.Result{}, "")()
	if err := tracing.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTracesThatCannotBeSentAreReported(t *testing.T) {
	tracing := tracingWith(func(string) (*http.Client, error) { return nil, errors.New("no such certificate") }, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")
	if err := tracing.Start(t.Context()); err == nil || err.Error() != "No traces are sent: no such certificate" {
		t.Errorf("error %v", err)
	}
	tracing.End(contract.Result{}, "")()
	_ = tracing.Stop(t.Context())
}

func TestADoneThatWasNotDeliveredFailsThePhaseThatReports(t *testing.T) {
	o := outcomeOf(contract.Result{ExitCode: contract.ExitUndelivered}, job.PhaseRunning)
	if o.Code != contract.CodeCallbackFailed || o.Phase != job.PhaseReporting {
		t.Errorf("%+v", o)
	}
	if o = outcomeOf(contract.Result{}, job.PhaseUploading); o.Code != "" {
		t.Errorf("a success fails with %s", o.Code)
	}
}
