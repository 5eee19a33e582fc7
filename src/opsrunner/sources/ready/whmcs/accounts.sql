-- The accounts of WHMCS 8 that are there: products that run, or are suspended, on a server.
-- columns: username text, order text?, customer text?, domain text?
-- columns: ordered_plan text?, plan text?, host text?, created_at moment?
-- columns: created_by text, welcome_sent_at moment?, disk_mb number, disk_limit_mb number
-- entities: customer, ordered_plan, plan
-- customer is what the customer is called, as in the sample. WHMCS does not keep when an account was created: the
-- welcome letter stands for it, or else the payment, the order, the date of registration. The welcome letter is the
-- first mail to the customer within 60 days of the order that holds the account's user name, whatever its subject is.
-- ordered_plan is plan: WHMCS knows the product, and only the panel what it really made of it. A limit of 0 is none.
SELECT
  a.username AS username,
  a.number AS `order`,
  a.customer AS customer,
  a.domain AS domain,
  a.plan AS ordered_plan,
  a.plan AS plan,
  a.host AS host,
  COALESCE(a.welcome_sent_at, a.paid_at, a.ordered_at, CAST(a.regdate AS DATETIME)) AS created_at,
  a.created_by AS created_by,
  a.welcome_sent_at AS welcome_sent_at,
  a.disk_mb AS disk_mb,
  a.disk_limit_mb AS disk_limit_mb
FROM (
  SELECT
    COALESCE(NULLIF(TRIM(h.username), ''), CONCAT('service ', h.id)) AS username,
    CAST(NULLIF(h.orderid, 0) AS CHAR) AS number,
    COALESCE(NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), '')) AS customer,
    NULLIF(LOWER(TRIM(h.domain)), '') AS domain,
    p.name AS plan,
    s.name AS host,
    h.regdate AS regdate,
    o.date AS ordered_at,
    CASE WHEN i.status = 'Paid' THEN i.datepaid END AS paid_at,
    CASE WHEN o.admin_requestor_id > 0 THEN 'an administrator' WHEN o.id > 0 THEN 'order form' ELSE 'unknown' END
      AS created_by,
    (SELECT MIN(e.date) FROM tblemails AS e
      WHERE e.userid = h.userid AND e.pending = 0 AND e.failed = 0 AND e.date >= COALESCE(o.date, h.regdate)
        AND e.date < COALESCE(o.date, h.regdate) + INTERVAL 60 DAY
        AND CASE WHEN LOCATE(CAST(h.username AS BINARY), CAST(e.message AS BINARY)) = 0 THEN 0
          WHEN h.username REGEXP '^[A-Za-z0-9_-]{3,}$'
          THEN e.message REGEXP CONCAT('(^|[^A-Za-z0-9.@_-])', h.username, '($|[^A-Za-z0-9.@_-])') ELSE 0 END)
      AS welcome_sent_at,
    h.diskusage AS disk_mb,
    h.disklimit AS disk_limit_mb
  FROM tblhosting AS h
  LEFT JOIN tblclients AS c ON c.id = h.userid
  LEFT JOIN tblproducts AS p ON p.id = h.packageid
  LEFT JOIN tblservers AS s ON s.id = h.server
  LEFT JOIN tblorders AS o ON o.id = h.orderid
  LEFT JOIN tblinvoices AS i ON i.id = o.invoiceid
  WHERE h.domainstatus IN ('Active', 'Suspended')
) AS a
