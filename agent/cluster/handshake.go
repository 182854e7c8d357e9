package cluster

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// errRefused is the leader's no to a node that proved who it is.
var errRefused = errors.New("the leader refuses this node")

var errStranger = errors.New("the other end does not know the job's token")

func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, by its documentation
	return hex.EncodeToString(b)
}

// proof is what only an owner of the key can say about both nonces. The side
// keeps one end's proof from being sent back to it.
func (o Options) proof(side string, hello message, challenge string) (string, error) {
	key, err := o.Key()
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(key))
	for _, part := range []string{side, hello.Job, strconv.Itoa(hello.Rank), hello.Run, hello.Nonce, challenge} {
		_, _ = fmt.Fprintf(mac, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// greet is the leader's side: it returns a hello whose sender has proved itself.
func (o Options) greet(l *link) (hello message, err error) {
	if hello, err = l.receive(); err != nil {
		return hello, err
	}
	challenge := newNonce()
	mac, err := o.proof("leader", hello, challenge)
	if err != nil {
		return hello, err
	}
	if err := l.send(message{Nonce: challenge, MAC: mac}); err != nil {
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
	if !hmac.Equal([]byte(answer.MAC), []byte(want)) || hello.Job != o.JobID {
		return hello, errStranger
	}
	return hello, nil
}

// introduce is the member's side: it returns the leader's run.
func (o Options) introduce(l *link, run string) (string, error) {
	hello := message{Job: o.JobID, Rank: o.Rank, Host: o.Host, Run: run, Nonce: newNonce()}
	if err := l.send(hello); err != nil {
		return "", err
	}
	challenge, err := l.receive()
	if err != nil {
		return "", err
	}
	want, err := o.proof("leader", hello, challenge.Nonce)
	if err != nil {
		return "", err
	}
	if !hmac.Equal([]byte(challenge.MAC), []byte(want)) {
		return "", errStranger
	}
	mac, err := o.proof("member", hello, challenge.Nonce)
	if err != nil {
		return "", err
	}
	if err := l.send(message{MAC: mac}); err != nil {
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
