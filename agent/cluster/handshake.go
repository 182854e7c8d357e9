package cluster

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/vision-platform/trainer-agent/agent/internal/crowd"
)

// errRefused is the leader's no to a node that proved who it is.
var errRefused = errors.New("the leader refuses this node")

var (
	errStranger = errors.New("the other end does not know the job's token")
	errOtherJob = errors.New("the other end is of another job")
	errNoRoom   = errors.New("it made way for others, or more machines than the job has are connected")
)

func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, by its documentation
	return hex.EncodeToString(b)
}

// proof is what only an owner of the key can say of a hello and both nonces. The side
// keeps one end's proof from being sent back to it.
func (o Options) proof(side string, hello message, challenge string) (string, error) {
	key, err := o.Key()
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(key))
	for _, part := range []string{side, hello.Job, strconv.Itoa(hello.Rank), hello.Host, hello.Run, hello.Nonce, challenge} {
		_, _ = fmt.Fprintf(mac, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// greet is the leader's side: it returns a hello whose sender has proved itself. The
// leader proves itself to nobody else: whoever had its proof of words of his choice could
// try tokens on it until one fits, away from here.
func (o Options) greet(l *link) (hello message, err error) {
	if hello, err = l.receive(); err != nil {
		return hello, err
	}
	if hello.Job != o.JobID {
		return hello, errOtherJob
	}
	challenge := newNonce()
	if err := l.send(message{Nonce: challenge}); err != nil {
		return hello, err
	}
	answer, err := l.receive()
	if err != nil {
		return hello, err
	}
	want, err := o.proof("member", hello, challenge)
	if err != nil {
		return hello, err
	}
	if !hmac.Equal([]byte(answer.MAC), []byte(want)) {
		return hello, errStranger
	}
	if c, ok := l.conn.(*crowd.Conn); ok && !c.LetIn() {
		return hello, errNoRoom
	}
	mac, err := o.proof("leader", hello, challenge)
	if err != nil {
		return hello, err
	}
	return hello, l.send(message{MAC: mac})
}

// introduce is the member's side: it returns the leader's run.
func (o Options) introduce(l *link, run string) (string, error) {
	hello := message{Job: o.JobID, Rank: o.Rank, Host: o.Host, Run: run, Nonce: newNonce()}
	if err := l.send(hello); err != nil {
		return "", err
	}
	challenge, err := l.receive()
	if err != nil {
		return "", fmt.Errorf("node 0 gives no challenge; its log says whether it runs another job or its port is crowded: %w", err)
	}
	mac, err := o.proof("member", hello, challenge.Nonce)
	if err != nil {
		return "", err
	}
	if err := l.send(message{MAC: mac}); err != nil {
		return "", err
	}
	if err := o.recognise(l, hello, challenge.Nonce); err != nil {
		return "", err
	}
	welcome, err := l.receive()
	switch {
	case err != nil:
		return "", err
	case welcome.Refused != "":
		return "", fmt.Errorf("%w: %s", errRefused, welcome.Refused)
	}
	return welcome.Run, nil
}

// recognise wants the leader's proof. Nothing that it says before counts.
func (o Options) recognise(l *link, hello message, challenge string) error {
	answer, err := l.receive()
	if err != nil {
		return fmt.Errorf("node 0 does not take this node's token; it must be the same on every machine: %w", err)
	}
	want, err := o.proof("leader", hello, challenge)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(answer.MAC), []byte(want)) {
		return errStranger
	}
	return nil
}
