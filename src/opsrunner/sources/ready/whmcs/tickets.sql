-- The tickets of WHMCS 8; one that was merged into another is left out.
-- columns: ticket text, customer text?, name text?, email text?
-- columns: subject text?, category text?, priority text, status text
-- columns: opened_at moment, first_answer_at moment?, last_customer_at moment?
-- columns: last_staff_at moment?, closed_at moment?, staff text?, desk text
-- entities: subject, name, category
-- ticket is the number that customers see. What a person of the staff wrote has a name in `admin`. WHMCS does not
-- keep when a ticket was closed: its last reply stands for it. All tickets are of our own desk.
SELECT
  t.tid AS ticket,
  CAST(NULLIF(t.userid, 0) AS CHAR) AS customer,
  COALESCE(
    NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), ''), NULLIF(TRIM(t.name), '')
  ) AS name,
  COALESCE(NULLIF(TRIM(c.email), ''), NULLIF(TRIM(t.email), '')) AS email,
  t.title AS subject,
  d.name AS category,
  CASE t.urgency WHEN 'High' THEN 'high' WHEN 'Low' THEN 'low' ELSE 'normal' END AS priority,
  CASE t.status WHEN 'Closed' THEN 'closed' WHEN 'Answered' THEN 'answered' ELSE 'open' END AS status,
  t.date AS opened_at,
  (SELECT MIN(r.date) FROM tblticketreplies AS r WHERE r.tid = t.id AND r.admin <> '') AS first_answer_at,
  COALESCE(
    (SELECT MAX(r.date) FROM tblticketreplies AS r WHERE r.tid = t.id AND r.admin = ''),
    CASE WHEN t.admin = '' THEN t.date END
  ) AS last_customer_at,
  COALESCE(
    (SELECT MAX(r.date) FROM tblticketreplies AS r WHERE r.tid = t.id AND r.admin <> ''),
    CASE WHEN t.admin <> '' THEN t.date END
  ) AS last_staff_at,
  CASE WHEN t.status = 'Closed' THEN t.lastreply END AS closed_at,
  COALESCE(
    (SELECT r.admin FROM tblticketreplies AS r WHERE r.tid = t.id AND r.admin <> '' ORDER BY r.date DESC LIMIT 1),
    NULLIF(t.admin, '')
  ) AS staff,
  'own' AS desk
FROM tbltickets AS t
LEFT JOIN tblclients AS c ON c.id = t.userid
LEFT JOIN tblticketdepartments AS d ON d.id = t.did
WHERE t.merged_ticket_id = 0
