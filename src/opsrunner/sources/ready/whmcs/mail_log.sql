-- The mails that WHMCS 8 has sent to customers: those that wait and those that failed are left out, so that a row
-- proves that a mail left.
-- columns: mail text, customer text?, to text?, subject text?, sent_at moment
-- entities: subject
-- Where a mail's own list of recipients is empty it went to the customer's address of today.
SELECT
  CAST(e.id AS CHAR) AS mail,
  CAST(NULLIF(e.userid, 0) AS CHAR) AS customer,
  COALESCE(NULLIF(TRIM(e.`to`), ''), NULLIF(TRIM(c.email), '')) AS `to`,
  e.subject AS subject,
  e.date AS sent_at
FROM tblemails AS e
LEFT JOIN tblclients AS c ON c.id = e.userid
WHERE e.pending = 0 AND e.failed = 0 AND e.date IS NOT NULL
