package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// client makes the calls of the API that a proof needs, in one namespace.
type client struct {
	access    access
	http      *http.Client
	namespace string
}

// refusal is an answer of the API that is no success.
type refusal struct {
	code int
	what string // "creating a Job"
	text string // of the server
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("Kubernetes refuses %s: %s (%d)", r.what, r.text, r.code)
	if r.code == http.StatusForbidden || r.code == http.StatusUnauthorized {
		text += "; in the namespace of proofs the hub's ServiceAccount needs: Jobs create, list, delete; pods list, watch; pods/log get; events list"
	}
	return text
}

func refused(err error, code int) bool {
	r, is := errors.AsType[*refusal](err)
	return is && r.code == code
}

const (
	asking   = 30 * time.Second // for an answer that is no stream
	maxReply = 4 << 20
	maxLog   = 16 << 10
	watching = 5 * time.Minute // of one watch
)

// send makes a request. The body of the answer is the caller's to close.
func (c *client) send(ctx context.Context, what, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.access.server+path+"?"+query.Encode(), content)
	if err != nil {
		return nil, err
	}
	login, err := c.access.header()
	if err != nil {
		return nil, err
	}
	if login != "" {
		request.Header.Set("Authorization", login)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "trainer-hub")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer.Body, nil
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxLog)) // what came is enough
	var status struct{ Message string }
	if json.Unmarshal(text, &status) != nil || status.Message == "" {
		status.Message = strings.TrimSpace(string(text))
	}
	return nil, &refusal{answer.StatusCode, what, status.Message}
}

// ask makes a request and reads the answer, unless it is nil.
func (c *client) ask(ctx context.Context, what, method, path string, query url.Values, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	reply, err := c.send(ctx, what, method, path, query, body)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Close() }()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(reply, maxReply)).Decode(answer); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (c *client) jobs() string { return "/apis/batch/v1/namespaces/" + c.namespace + "/jobs" }
func (c *client) pods() string { return "/api/v1/namespaces/" + c.namespace + "/pods" }

// create makes a Job. It may be sent again: the name is one that nobody else chooses, so a Job
// that is there already is the one of an answer that was lost.
func (c *client) create(ctx context.Context, j job) error {
	err := c.ask(ctx, "creating a Job", http.MethodPost, c.jobs(), url.Values{"fieldValidation": {"Strict"}}, j, nil)
	if refused(err, http.StatusConflict) {
		return nil
	}
	return err
}

// remove deletes a Job and its pod at once; one that is gone is no error.
func (c *client) remove(ctx context.Context, name string) error {
	options := map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
	err := c.ask(ctx, "deleting a Job", http.MethodDelete, c.jobs()+"/"+name, nil, options, nil)
	if refused(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// named are the Jobs that have a label.
func (c *client) named(ctx context.Context, selector string) (names []string, err error) {
	var list struct{ Items []struct{ Metadata metadata } }
	err = c.ask(ctx, "listing Jobs", http.MethodGet, c.jobs(), url.Values{"labelSelector": {selector}}, nil, &list)
	for _, item := range list.Items {
		names = append(names, item.Metadata.Name)
	}
	return names, err
}

// list are the pods that have a label, and the version from which on to watch them.
func (c *client) list(ctx context.Context, selector string) (pods []pod, version string, err error) {
	var list struct {
		Metadata metadata
		Items    []pod
	}
	err = c.ask(ctx, "listing pods", http.MethodGet, c.pods(), url.Values{"labelSelector": {selector}}, nil, &list)
	return list.Items, list.Metadata.ResourceVersion, err
}

var (
	// errGone says that a watch cannot go on from where it was.
	errGone = errors.New("the watch is too old")
	// errCutShort ends a watch that had begun.
	errCutShort = errors.New("the watch was cut")
)

// watch tells what becomes of pods until the stream or ctx ends. It returns the version from
// which on to watch again.
func (c *client) watch(ctx context.Context, selector, version string, tell func(p pod, gone bool)) (string, error) {
	query := url.Values{"labelSelector": {selector}, "watch": {"1"}, "resourceVersion": {version}, "allowWatchBookmarks": {"true"}, "timeoutSeconds": {strconv.Itoa(int(watching.Seconds()))}}
	ctx, cancel := context.WithTimeout(ctx, watching+asking) // a proxy may keep a stream open whose server is gone
	defer cancel()
	stream, err := c.send(ctx, "watching pods", http.MethodGet, c.pods(), query, nil)
	if refused(err, http.StatusGone) {
		return "", errGone
	}
	if err != nil {
		return version, err
	}
	defer func() { _ = stream.Close() }()
	lines := json.NewDecoder(stream)
	for {
		var event struct {
			Type   string
			Object struct {
				pod
				Code    int
				Message string
			}
		}
		switch err := lines.Decode(&event); {
		case errors.Is(err, io.EOF): // the server's time for a watch is over
			return version, nil
		case err != nil:
			return version, fmt.Errorf("%w: %w", errCutShort, err)
		case event.Type == "ERROR" && event.Object.Code == http.StatusGone:
			return "", errGone
		case event.Type == "ERROR":
			return version, &refusal{event.Object.Code, "watching pods", event.Object.Message}
		}
		version = event.Object.Metadata.ResourceVersion
		if event.Type != "BOOKMARK" {
			tell(event.Object.pod, event.Type == "DELETED")
		}
	}
}

// log is the end of what a container wrote.
func (c *client) log(ctx context.Context, pod, container string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	stream, err := c.send(ctx, "reading a pod's log", http.MethodGet, c.pods()+"/"+pod+"/log", url.Values{"container": {container}, "tailLines": {"20"}}, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	text, err := io.ReadAll(io.LimitReader(stream, maxLog))
	return strings.TrimSpace(string(text)), err
}

// events are what happened to an object of a name, the newest last.
func (c *client) events(ctx context.Context, name string) (said []string, err error) {
	var list struct {
		Items []struct{ Reason, Message string }
	}
	err = c.ask(ctx, "listing events", http.MethodGet, "/api/v1/namespaces/"+c.namespace+"/events", url.Values{"fieldSelector": {"involvedObject.name=" + name}}, nil, &list)
	for _, item := range list.Items {
		said = append(said, item.Reason+": "+item.Message)
	}
	return said, err
}
