package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// github gets credentials for a role with the identity of a workflow's job.
// They are asked for again before they expire, so a job can take longer than
// the hour that they last.
type github struct {
	role, address, token string
}

// githubOf returns nil where there is no such identity, or other credentials
// are given.
func githubOf(getenv func(string) string) *github {
	g := &github{getenv("AWS_ROLE_ARN"), getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")}
	if g.role == "" || g.address == "" || g.token == "" || getenv("AWS_ACCESS_KEY_ID") != "" || getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		return nil
	}
	return g
}

func (g *github) provider(cfg aws.Config) aws.CredentialsProvider {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	cfg.Credentials = aws.AnonymousCredentials{}
	return stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), g.role, g, func(o *stscreds.WebIdentityRoleOptions) {
		o.RoleSessionName = "respin"
	})
}

// GetIdentityToken asks GitHub for a token that names the job to AWS. The
// address and the tokens are secrets: no error tells of them.
func (g *github) GetIdentityToken() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	address, err := url.Parse(g.address)
	if err != nil {
		return nil, errors.New("asking GitHub for the job's identity: ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	query := address.Query()
	query.Set("audience", "sts.amazonaws.com")
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, errors.New("asking GitHub for the job's identity: ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the address
		}
		return nil, fmt.Errorf("asking GitHub for the job's identity: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking GitHub for the job's identity: the answer is %s", response.Status)
	}
	var answer struct{ Value string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(&answer); err != nil || answer.Value == "" {
		return nil, errors.New("asking GitHub for the job's identity: the answer holds no token")
	}
	return []byte(answer.Value), nil
}
