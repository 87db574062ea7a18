package trail

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// ocsf is a record as an event of the class API Activity. The line of an export as JSON is whole in Unmapped, byte for
// byte. The same record is always the same event, so nothing of the server that writes it is in there.
//
// Source: Open Cybersecurity Schema Framework 1.8.0, https://schema.ocsf.io/1.8.0/classes/api_activity.
type ocsf struct {
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	Actor        ocsfActor      `json:"actor"`
	API          ocsfAPI        `json:"api"`
	CategoryName string         `json:"category_name"`
	CategoryUID  int            `json:"category_uid"`
	ClassName    string         `json:"class_name"`
	ClassUID     int            `json:"class_uid"`
	Message      string         `json:"message"`
	Metadata     ocsfMetadata   `json:"metadata"`
	Resources    []ocsfResource `json:"resources,omitempty"`
	Severity     string         `json:"severity"`
	SeverityID   int            `json:"severity_id"`
	SrcEndpoint  ocsfEndpoint   `json:"src_endpoint"`
	Status       string         `json:"status"`
	StatusCode   string         `json:"status_code,omitempty"`
	StatusDetail string         `json:"status_detail,omitempty"`
	StatusID     int            `json:"status_id"`
	Time         int64          `json:"time"` // milliseconds
	TypeName     string         `json:"type_name"`
	TypeUID      int            `json:"type_uid"`
	Unmapped     line           `json:"unmapped"`
}

type (
	ocsfActor struct {
		User ocsfUser `json:"user"`
	}
	ocsfUser struct {
		Name        string           `json:"name,omitempty"`
		Credentials []ocsfCredential `json:"programmatic_credentials,omitempty"`
		Type        string           `json:"type"`
		TypeID      int              `json:"type_id"`
		UID         string           `json:"uid,omitempty"`
	}
	ocsfCredential struct {
		UID string `json:"uid"`
	}
	ocsfAPI struct {
		Operation string        `json:"operation"`
		Request   *ocsfRequest  `json:"request,omitempty"`
		Response  *ocsfResponse `json:"response,omitempty"`
		Service   ocsfNamed     `json:"service"`
	}
	ocsfRequest struct {
		UID string `json:"uid"`
	}
	ocsfResponse struct {
		Error   string `json:"error"`
		Message string `json:"error_message,omitempty"`
	}
	ocsfNamed struct {
		Name string `json:"name"`
	}
	ocsfMetadata struct {
		EventCode string      `json:"event_code"`
		LogName   string      `json:"log_name"`
		Original  string      `json:"original_event_uid"`
		Product   ocsfProduct `json:"product"`
		Sequence  int64       `json:"sequence"`
		UID       string      `json:"uid"`
		Version   string      `json:"version"` // of OCSF
	}
	ocsfProduct struct {
		Name       string `json:"name"`
		VendorName string `json:"vendor_name"`
	}
	ocsfResource struct {
		Name string `json:"name,omitempty"`
		Type string `json:"type"`
		UID  string `json:"uid,omitempty"`
	}
	ocsfEndpoint struct {
		IP          string `json:"ip,omitempty"`
		Name        string `json:"name,omitempty"`
		ServiceName string `json:"svc_name,omitempty"`
	}
)

// ocsfBegin begins each event.
const ocsfBegin = `{"activity_id":`

// The numbers of OCSF.
const (
	ocsfVersion     = "1.8.0"
	ocsfApplication = 6    // the category
	ocsfAPIActivity = 6003 // the class
	ocsfOther       = 99
)

// ocsfEvent renders a record, whose line is l.
func ocsfEvent(r *rolebroker.AuditRecord, l line) (ocsf, error) {
	e, err := Event(r.Record)
	if err != nil {
		return ocsf{}, &Broken{r.Sequence, string(r.ID), "it cannot be read"}
	}
	id, activity := ocsfActivity(e.Action)
	o := ocsf{ActivityID: id, ActivityName: activity, Actor: ocsfActorOf(&e.Actor),
		API:          ocsfAPI{Operation: e.Action, Service: ocsfNamed{"rolebroker"}},
		CategoryName: "Application Activity", CategoryUID: ocsfApplication,
		ClassName: "API Activity", ClassUID: ocsfAPIActivity,
		Metadata: ocsfMetadata{EventCode: e.Action, LogName: "audit", Original: e.ID,
			Product: ocsfProduct{"rolebroker", "rolebroker"}, Sequence: r.Sequence, UID: e.ID, Version: ocsfVersion},
		Severity: "Informational", SeverityID: 1, SrcEndpoint: ocsfSource(&e.Actor), Status: "Success", StatusID: 1,
		Time: e.Time.UnixMilli(), TypeName: "API Activity: " + activity, TypeUID: ocsfAPIActivity*100 + id, Unmapped: l}
	if id == ocsfOther {
		o.TypeName = "API Activity: Other"
	}
	for _, s := range e.Subjects {
		if s.ID != "" || s.Name != "" {
			o.Resources = append(o.Resources, ocsfResource{Name: s.Name, Type: s.Kind, UID: s.ID})
		}
	}
	if e.RequestID != "" {
		o.API.Request = &ocsfRequest{e.RequestID}
	}
	o.Message = ocsfMessage(&e)
	if e.Outcome == string(rolebroker.OutcomeRefused) {
		o.Severity, o.SeverityID, o.Status, o.StatusID = "Low", 2, "Failure", 2
		o.StatusCode, o.StatusDetail = e.Code, e.Reason
		o.API.Response = &ocsfResponse{e.Code, e.Reason}
	}
	return o, nil
}

// ocsfActivity returns what an action does in the words of OCSF: its own verb is another activity.
func ocsfActivity(action string) (id int, name string) {
	_, verb, _ := strings.Cut(action, ".")
	switch verb {
	case "create", "create-join-token", "create-link", "reserve", "join", "begin":
		return 1, "Create"
	case "list", "get", "get-cut-off", "grants", "setup", "post-setup", "export", "count", "watch", "identify":
		return 2, "Read"
	case "update", "connect", "set-default", "disable", "enable", "cut-off", "rotate-external-id", "renew-credential",
		"approve", "deny", "end", "assume", "apply":
		return 3, "Update"
	case "delete", "disconnect", "revoke", "release", "forget", "remove":
		return 4, "Delete"
	}
	return ocsfOther, cmp.Or(verb, action)
}

// ocsfActorOf returns the actor. What a caller who was not identified claims is in the record only.
func ocsfActorOf(a *api.AuditActor) ocsfActor {
	u := ocsfUser{Name: a.Name, UID: a.ID, Type: a.Kind, TypeID: ocsfOther}
	switch rolebroker.ActorKind(a.Kind) {
	case rolebroker.ActorServer:
		u.Type, u.TypeID = "System", 3
	case rolebroker.ActorUnknown:
		u.Type, u.TypeID = "Unknown", 0
	}
	if u.Name == "" && u.UID == "" {
		u.Name = cmp.Or(a.Kind, "unknown")
	}
	if a.Token != "" {
		u.Credentials = []ocsfCredential{{a.Token}}
	}
	return ocsfActor{u}
}

// ocsfSource returns where the request came from, which OCSF requires.
func ocsfSource(a *api.AuditActor) ocsfEndpoint {
	if address, err := netip.ParseAddr(a.Address); err == nil {
		return ocsfEndpoint{IP: address.String()}
	}
	if a.Kind == string(rolebroker.ActorServer) {
		return ocsfEndpoint{ServiceName: "rolebroker"}
	}
	return ocsfEndpoint{Name: cmp.Or(a.Address, "unknown")}
}

// ocsfMessage says in one line what happened.
func ocsfMessage(e *api.AuditEvent) string {
	var on []string
	for _, s := range e.Subjects {
		on = append(on, strings.TrimSpace(s.Kind+" "+cmp.Or(s.Name, s.ID)))
	}
	message := fmt.Sprintf("%s: %s", cmp.Or(e.Actor.Name, e.Actor.ID, e.Actor.Kind), e.Action)
	if len(on) > 0 {
		message += " of " + strings.Join(on, ", ")
	}
	if e.Outcome == string(rolebroker.OutcomeRefused) {
		return message + ": refused: " + e.Reason
	}
	return message
}
