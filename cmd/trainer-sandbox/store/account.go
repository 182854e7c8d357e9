package store

import "github.com/versity/versitygw/auth"

// oneAccount knows a single key. The gateway's own single-account mode answers
// any other with 404 and an error of its admin API; S3 clients expect
// 403 InvalidAccessKeyId, which is what ErrNoSuchUser becomes.
type oneAccount struct{ auth.IAMService }

func newOneAccount(access, secret string) oneAccount {
	return oneAccount{auth.NewIAMServiceSingle(auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin})}
}

// GetUserAccount returns the one account, or ErrNoSuchUser.
func (o oneAccount) GetUserAccount(access string) (auth.Account, error) {
	account, err := o.IAMService.GetUserAccount(access)
	if err != nil {
		return account, auth.ErrNoSuchUser
	}
	return account, nil
}
