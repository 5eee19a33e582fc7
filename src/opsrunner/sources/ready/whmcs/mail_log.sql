-- The mails that WHMCS 8 has sent to customers in the last 180 days of its log: those that wait and those that failed
-- are left out, so that a row proves that a mail left.
-- columns: mail text, customer text?, to text?, subject text?, sent_at moment
-- entities: subject
-- Where a mail's own list of recipients is empty it went to the customer's address of today. Many letters of WHMCS do
-- not say in their subject what they are about ("Upcoming Domain Renewal Notice", "New Account Information"). So in
-- square brackets behind it stand the customer's domains that only the text names, and `Welcome DOMAIN` where the text
-- holds the user name of that account, both letter for letter as WHMCS has them.
SELECT
  CAST(e.id AS CHAR) AS mail,
  CAST(NULLIF(e.userid, 0) AS CHAR) AS customer,
  COALESCE(NULLIF(TRIM(e.`to`), ''), NULLIF(TRIM(c.email), '')) AS `to`,
  CONCAT(
    e.subject,
    COALESCE(CONCAT(' [', (
      SELECT GROUP_CONCAT(DISTINCT CONCAT('Welcome ', LOWER(TRIM(h.domain))) SEPARATOR ', ') FROM tblhosting AS h
        WHERE h.userid = e.userid AND h.domain <> '' AND LOCATE('elcome', e.subject) = 0
          AND CASE WHEN LOCATE(CAST(h.username AS BINARY), CAST(e.message AS BINARY)) = 0 THEN 0
            WHEN h.username REGEXP '^[A-Za-z0-9_-]{3,}$'
            THEN e.message REGEXP CONCAT('(^|[^A-Za-z0-9.@_-])', h.username, '($|[^A-Za-z0-9.@_-])') ELSE 0 END
    ), ']'), ''),
    COALESCE(CONCAT(' [', (
      SELECT GROUP_CONCAT(DISTINCT LOWER(TRIM(d.domain)) SEPARATOR ', ') FROM tbldomains AS d
        WHERE d.userid = e.userid AND LOCATE(d.domain, e.subject) = 0
          AND CASE WHEN LOCATE(CAST(d.domain AS BINARY), CAST(e.message AS BINARY)) = 0 THEN 0
            WHEN d.domain REGEXP '^[A-Za-z0-9.-]+$'
            THEN e.message REGEXP CONCAT('(^|[^A-Za-z0-9.-])', REPLACE(d.domain, '.', '[.]'), '($|[^A-Za-z0-9-])')
            ELSE d.domain <> '' END
    ), ']'), '')
  ) AS subject,
  e.date AS sent_at
FROM tblemails AS e
LEFT JOIN tblclients AS c ON c.id = e.userid
WHERE e.pending = 0 AND e.failed = 0 AND e.date >= (SELECT MAX(newest.date) FROM tblemails AS newest) - INTERVAL 180 DAY
