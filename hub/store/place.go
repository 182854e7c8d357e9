package store

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Place is a place in a list whose newest rows come first, ordered by created and then by id:
// what follows are the rows before it. Rows that are added or removed meanwhile move nothing.
type Place struct {
	Created int64 // ms since 1970
	ID      string
}

// Newest is the place before the first row.
func Newest() Place { return Place{Created: math.MaxInt64} }

// String is the place as ParsePlace reads it.
func (p Place) String() string { return strconv.FormatInt(p.Created, 10) + "." + p.ID }

// Compare orders places as rows are: below zero where p is older than another.
func (p Place) Compare(other Place) int {
	return cmp.Or(cmp.Compare(p.Created, other.Created), cmp.Compare(p.ID, other.ID))
}

// ParsePlace reads a place; "" is the newest.
func ParsePlace(text string) (Place, error) {
	if text == "" {
		return Newest(), nil
	}
	created, id, _ := strings.Cut(text, ".")
	at, err := strconv.ParseInt(created, 10, 64)
	if err != nil || id == "" {
		return Place{}, errors.New("it is no place in a list")
	}
	return Place{at, id}, nil
}
