-- The products that customers of WHMCS 8 rent: hosting, servers, and what else is a product there.
-- columns: service text, customer text, name text?, email text?
-- columns: product text?, domain text?, host text?, status text, since date?
-- columns: renews_at date?, amount number, cycle text
-- entities: name, product
-- host is the name of the server in WHMCS: give it the name that the host has here. What is terminated, a fraud
-- or completed is cancelled: nobody uses it. An order that waits is left out. What is free, or was paid once and for
-- all, has the cycle `once`.
SELECT
  CAST(h.id AS CHAR) AS service,
  CAST(h.userid AS CHAR) AS customer,
  COALESCE(NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), '')) AS name,
  NULLIF(TRIM(c.email), '') AS email,
  p.name AS product,
  NULLIF(LOWER(TRIM(h.domain)), '') AS domain,
  s.name AS host,
  CASE h.domainstatus WHEN 'Active' THEN 'active' WHEN 'Suspended' THEN 'suspended' ELSE 'cancelled' END AS status,
  h.regdate AS since,
  h.nextduedate AS renews_at,
  h.amount AS amount,
  CASE h.billingcycle
    WHEN 'Monthly' THEN 'monthly'
    WHEN 'Quarterly' THEN 'quarterly'
    WHEN 'Semi-Annually' THEN 'half-yearly'
    WHEN 'Annually' THEN 'yearly'
    WHEN 'Biennially' THEN 'two-yearly'
    WHEN 'Triennially' THEN 'three-yearly'
    ELSE 'once'
  END AS cycle
FROM tblhosting AS h
LEFT JOIN tblclients AS c ON c.id = h.userid
LEFT JOIN tblproducts AS p ON p.id = h.packageid
LEFT JOIN tblservers AS s ON s.id = h.server
WHERE h.domainstatus <> 'Pending'
