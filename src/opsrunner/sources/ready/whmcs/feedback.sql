-- What customers said in WHMCS 8 when a ticket was closed and it asked them: one row a ticket.
-- columns: feedback text, customer text?, name text?, email text?
-- columns: score number?, comment text, given_at moment, handled_at moment?
-- entities: name, comment
-- score is the lowest that anybody of the staff got there, of 10; words alone have none. WHMCS does not keep whether
-- somebody has answered: the first reply of the staff to the ticket, or the first note about the customer, after it
-- stands for it.
SELECT
  f.feedback AS feedback,
  f.customer AS customer,
  f.name AS name,
  f.email AS email,
  f.score AS score,
  f.comment AS comment,
  f.given_at AS given_at,
  COALESCE(LEAST(f.replied_at, f.noted_at), f.replied_at, f.noted_at) AS handled_at
FROM (
  SELECT
    g.feedback AS feedback,
    CAST(NULLIF(t.userid, 0) AS CHAR) AS customer,
    COALESCE(
      NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), ''), NULLIF(TRIM(t.name), '')
    ) AS name,
    COALESCE(NULLIF(TRIM(c.email), ''), NULLIF(TRIM(t.email), '')) AS email,
    g.score AS score,
    COALESCE(g.comment, 'no words') AS comment,
    g.given_at AS given_at,
    (SELECT MIN(r.date) FROM tblticketreplies AS r
      WHERE r.tid = g.ticketid AND r.admin <> '' AND r.date > g.given_at) AS replied_at,
    (SELECT MIN(n.created) FROM tblnotes AS n
      WHERE n.userid = t.userid AND t.userid > 0 AND n.created > g.given_at) AS noted_at
  FROM (
    SELECT
      b.ticketid AS ticketid,
      CAST(MIN(b.id) AS CHAR) AS feedback,
      MIN(NULLIF(b.rating, 0)) AS score,
      NULLIF(TRIM(GROUP_CONCAT(NULLIF(TRIM(b.comments), '') ORDER BY b.id SEPARATOR ' / ')), '') AS comment,
      MIN(b.datetime) AS given_at
    FROM tblticketfeedback AS b
    GROUP BY b.ticketid
  ) AS g
  LEFT JOIN tbltickets AS t ON t.id = g.ticketid
  LEFT JOIN tblclients AS c ON c.id = t.userid
) AS f
