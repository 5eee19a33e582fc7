-- The domains of WHMCS 8 that were registered or transferred here, those that are gone, too.
-- columns: domain text, customer text, name text?, email text?
-- columns: registrar text?, expires_at date?, status text
-- entities: name
-- Grace and redemption are expired: nothing answers under that name. A domain whose order waits is left out.
-- expirydate is the registry's date; nextduedate is only when we send the bill, and no substitute for it.
SELECT
  LOWER(TRIM(d.domain)) AS domain,
  CAST(d.userid AS CHAR) AS customer,
  COALESCE(NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), '')) AS name,
  NULLIF(TRIM(c.email), '') AS email,
  NULLIF(d.registrar, '') AS registrar,
  d.expirydate AS expires_at,
  CASE d.status
    WHEN 'Active' THEN 'active'
    WHEN 'Grace' THEN 'expired'
    WHEN 'Redemption' THEN 'expired'
    WHEN 'Expired' THEN 'expired'
    WHEN 'Transferred Away' THEN 'transferred'
    ELSE 'cancelled'
  END AS status
FROM tbldomains AS d
LEFT JOIN tblclients AS c ON c.id = d.userid
WHERE d.status NOT IN ('Pending', 'Pending Registration', 'Pending Transfer')
